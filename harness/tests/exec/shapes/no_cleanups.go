//go:build !go1.24

package main

// cleanups are none before Go 1.24.
func cleanups() {}
