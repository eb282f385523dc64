package discovery

import (
	consulapi "github.com/hashicorp/consul/api"
)

// ConnectConsul gives a client of one server with connections of its own, for who registers rather than watches. What
// an answer may bring is bounded; how long it may take is the caller's. release lets go of the connections.
func ConnectConsul(options *ConsulOptions) (client *consulapi.Client, release func(), err error) {
	c, err := newConsulClient(options, &clientPool{})
	if err != nil {
		return nil, nil, err
	}
	return c.api, c.close, nil
}

// ConsulStatus is an error of consul/api without what differs from attempt to attempt, so that one trouble is logged
// once; status is the answer's, 0 where there was none.
func ConsulStatus(err error) (status int, short error) {
	short = steady(err)
	if e, ok := short.(*statusError); ok { //nolint:errorlint // steady has just made it
		status = e.code
	}
	return status, short
}
