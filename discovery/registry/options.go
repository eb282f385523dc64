package registry

import (
	"cmp"
	"os"
	"time"
)

// Version is the Consul release whose answers this package gives.
const Version = "1.22.7"

// Options steer a Server; the zero value is right but in tests.
type Options struct {
	Node       string // the node's name; the host's name where empty
	Address    string // the node's address; 127.0.0.1 where empty
	Datacenter string // dc1 where empty

	// ReapFloor is the least DeregisterCriticalServiceAfter, 1m as in Consul where 0.
	ReapFloor time.Duration
	// ReapInterval is the time between looks for services to remove, 30s as in Consul where 0.
	ReapInterval time.Duration

	// MaxServices is how many services may be registered at once; 65,536 where 0.
	MaxServices int
	// MaxBytes bounds the sum of the registrations' bodies; 256 MiB where 0. Check outputs come on top, at most 4 KiB
	// for each check.
	MaxBytes int64
	// MaxProbes is how many HTTP and TCP checks may be registered at once; 4,096 where 0.
	MaxProbes int
	// MaxBlocked is how many blocked queries may wait at once; 8,192 where 0.
	MaxBlocked int
	// MaxConnsPerClient is how many connections one client IP may have, 200 as in Consul where 0.
	MaxConnsPerClient int
}

// Bounds that nobody needs to move.
const (
	maxBody             = 1 << 20
	maxChecksPerService = 8
	maxOutput           = 4 << 10 // as Consul's
)

func (o Options) withDefaults() Options {
	if o.Node == "" {
		if o.Node, _ = os.Hostname(); o.Node == "" {
			o.Node = "localhost"
		}
	}
	o.Address = cmp.Or(o.Address, "127.0.0.1")
	o.Datacenter = cmp.Or(o.Datacenter, "dc1")
	o.ReapFloor = cmp.Or(o.ReapFloor, time.Minute)
	o.ReapInterval = cmp.Or(o.ReapInterval, 30*time.Second)
	o.MaxServices = cmp.Or(o.MaxServices, 1<<16)
	o.MaxBytes = cmp.Or(o.MaxBytes, 256<<20)
	o.MaxProbes = cmp.Or(o.MaxProbes, 1<<12)
	o.MaxBlocked = cmp.Or(o.MaxBlocked, 1<<13)
	o.MaxConnsPerClient = cmp.Or(o.MaxConnsPerClient, 200)
	return o
}
