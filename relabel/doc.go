// Package relabel turns a target's labels into its identity: which worker of which instance of which job it is, and
// the URL to scrape.
//
// The room bears the name that Prometheus' users have for the rules that decide it: relabel_configs for targets and
// metric_relabel_configs for series. The rules themselves are Prometheus' own library; what this package adds is what
// comes before them (the labels that a scrape_config adds, and Consul's meta) and after them (an identity that is
// always whole, and an address that can be dialled).
//
// # Limits
//
// A rule sees what Prometheus would show it, with two differences. There is no __scrape_interval__ nor
// __scrape_timeout__, as Prometheus decides both when it asks for the merged page. Metric rules see a worker's own
// labels only, as the merged page has no target labels: Prometheus adds those when it scrapes it.
package relabel
