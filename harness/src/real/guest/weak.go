//go:build go1.24

package main

import (
	"runtime"
	"unsafe"
	"weak"
)

// weakHandle is what a weak pointer to an object consists of.
func weakHandle(object unsafe.Pointer) unsafe.Pointer {
	w := weak.Make((*cell)(object))
	return *(*unsafe.Pointer)(unsafe.Pointer(&w))
}

func addCleanup(object unsafe.Pointer) {
	runtime.AddCleanup((*cell)(object), func(n uintptr) { sum += n }, magic)
}
