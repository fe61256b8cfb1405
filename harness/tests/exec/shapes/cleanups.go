//go:build go1.24

package main

import (
	"runtime"
	"time"
	"weak"
)

var weaks []weak.Pointer[node]

// cleanups registers cleanups and weak pointers.
func cleanups() {
	for i := 0; i < 20; i++ {
		n := &node{n: uint64(i)}
		runtime.AddCleanup(n, func(d time.Duration) { time.Sleep(d) }, time.Hour)
		weaks = append(weaks, weak.Make(n))
		if i%2 == 0 {
			heap.nodes[100+i] = n
		}
	}
}
