// Package config reads the configuration file: one file, composed of the option structs that the packages they steer
// own, in the words of Prometheus' scrape_config.
//
// # The law
//
// What a file says is either meant or an error: a key that is not known, a value that does not fit, two keys that
// exclude each other. Every error names the line and the path of what is wrong, all of them at once, so that a person
// mends a file in one go. Nothing is taken from the environment: ${X} stands for itself.
//
// # global
//
// A job takes from global each key that it does not set, whole: lists and mappings are not merged. Keys that exclude
// each other, such as basic_auth and authorization, go together: a job that sets one inherits none of them.
package config
