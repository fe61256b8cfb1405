package main

import "runtime"

// resource is something with a finalizer.
type resource struct {
	id   int
	next *resource
}

var resources []*resource

// setFinalizers registers finalizers of every signature on objects that stay reachable, and returns
// their number.
func setFinalizers() int {
	set := []interface{}{
		func(*resource) {},
		func(interface{}) {},
		func(*resource) (int, *resource) { return 0, nil },
		(*resource).close,
	}
	for i, finalizer := range set {
		r := &resource{id: i}
		resources = append(resources, r)
		runtime.SetFinalizer(r, finalizer)
	}
	return len(set)
}

func (r *resource) close() { r.id = -1 }

// queueFinalizers makes finalizers due that cannot run, because the first one never returns, and returns
// their number.
func queueFinalizers() int {
	const n = 5
	started := make(chan bool)
	discard(n, func(*resource) {
		started <- true
		select {}
	})
	runtime.GC()
	<-started
	settle()
	return n
}

// discard is a function of its own so that no stack slot keeps an object alive.
//
//go:noinline
func discard(n int, finalizer func(*resource)) {
	for i := 0; i < n; i++ {
		runtime.SetFinalizer(&resource{id: 100 + i}, finalizer)
	}
}
