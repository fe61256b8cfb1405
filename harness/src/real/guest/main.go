// Command guest brings a Go process into the state that a world describes, dumps its heap, and reports where it has put
// everything. The world is JSON on standard input, the dump goes into the file "dump" in the working folder (those that the
// world has before it go into "earlier"), and the report, JSON too, to standard output.
//
// It is built with the Go release under test, for the machine under test, and it knows no world: one binary for all.
// It expects one CPU (GOMAXPROCS=1), so that nothing runs between the report's figures and the dump, and stacks that
// don't shrink (GODEBUG=gcshrinkstackoff=1).
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"
)

func main() {
	var w world
	if err := json.NewDecoder(os.Stdin).Decode(&w); err != nil {
		fail(err)
	}
	out, err := os.Create("dump")
	if err != nil {
		fail(err)
	}
	fd := out.Fd() // makes the file blocking, as a dump needs it
	if w.Profile {
		runtime.MemProfileRate = 1
	}

	// What builds the world has a stack of its own, which is gone when the heap is dumped.
	var routines []*routine
	built := make(chan bool)
	go func() {
		routines = build(&w)
		built <- true
	}()
	<-built
	settle()
	for i := 0; i < w.Earlier; i++ {
		dumpEarlier()
	}
	queueFinalizers(w.Queued)
	for i := 0; i < w.Collections+2; i++ {
		runtime.GC()
	}
	// From here on the collector rests, so that its figures stay what the report says.
	debug.SetGCPercent(-1)
	for _, r := range routines {
		if r.spec.Wait == "runnable" {
			r.start()
		}
	}
	figures()
	debug.WriteHeapDump(fd)

	for _, r := range routines {
		told.Preempted = told.Preempted || r.spec.Wait == "runnable" && r.started
	}
	told.Version, told.Arch, told.CPUs, told.Thread = runtime.Version(), runtime.GOARCH, runtime.NumCPU(), syscall.Gettid()
	told.figures(w.Profile)
	if err := json.NewEncoder(os.Stdout).Encode(&told); err != nil {
		fail(err)
	}
	runtime.KeepAlive(routines)
	runtime.KeepAlive(out)
}

// build makes what the world has, and starts its goroutines but for those that never come to run.
func build(w *world) []*routine {
	objects := makeObjects(w.Objects)
	linkObjects(w.Objects, objects)
	for i, k := range w.Held {
		cells[i] = cell{objects[k], magic + uintptr(i)}
	}
	setGlobals()
	for _, f := range w.Finalizers {
		setFinalizer(f, w.Objects[f.Object].Type.Type, objects[f.Object])
	}
	var routines []*routine
	for i := range w.Goroutines {
		r := newRoutine(i, &w.Goroutines[i], objects)
		routines = append(routines, r)
		if r.spec.Wait != "runnable" {
			r.start()
		}
	}
	return routines
}

// dumpEarlier makes a dump that is not the last: what that leaves behind must not show in the next one.
func dumpEarlier() {
	out, err := os.Create("earlier")
	if err != nil {
		fail(err)
	}
	debug.WriteHeapDump(out.Fd())
	if err := out.Close(); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "guest:", err)
	os.Exit(1)
}
