//go:build go1.24
// +build go1.24

package main

import (
	"runtime"
	"time"
	"unique"
	"weak"
)

func init() {
	extra = append(extra, func() { go keepCleaning() })
}

// keepCleaning makes more objects with cleanups than these have time for, weak pointers and unique handles.
func keepCleaning() {
	var pointers [32]weak.Pointer[resource]
	var handles [32]unique.Handle[[2]int]
	for i := 0; ; i++ {
		r := &resource{id: i, payload: make([]byte, 10+i%100)}
		runtime.AddCleanup(r, func(id int) {
			if id%10 == 0 {
				time.Sleep(2 * time.Millisecond)
			}
		}, i)
		pointers[i%32] = weak.Make(r)
		handles[i%32] = unique.Make([2]int{i, i % 7})
		if i%20 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
}
