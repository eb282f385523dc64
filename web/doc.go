// Package web is the HTTP face of the federator: merged endpoints, target lists, the API, a page for people. Nothing
// is merged here.
package web
