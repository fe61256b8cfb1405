//go:build !go1.24

package main

import "unsafe"

// There are no weak pointers.
func weakHandle(unsafe.Pointer) unsafe.Pointer { return nil }

// There are no cleanups.
func addCleanup(unsafe.Pointer) {}
