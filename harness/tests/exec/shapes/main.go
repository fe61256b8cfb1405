// Command shapes brings a Go process into many states, and dumps its heap in each: before anything has been done, with a
// heap of all kinds of objects, after half of them are gone, and with goroutines that stand wherever they can.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"time"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: shapes FILE")
		os.Exit(2)
	}
	dump := func(name string) {
		out, err := os.Create(os.Args[1] + "." + name)
		if err != nil {
			panic(err)
		}
		debug.WriteHeapDump(out.Fd())
		out.Close()
	}
	dump("start")
	runtime.MemProfileRate = 1
	fill()
	dump("heap")
	thin()
	runtime.GC()
	dump("thin")
	finalize()
	stand()
	time.Sleep(20 * time.Millisecond)
	dump("stacks")
	// What is due by now is queued, and what runs takes its time.
	runtime.GC()
	time.Sleep(20 * time.Millisecond)
	dump("finalizers")
	runtime.KeepAlive(&heap)
}
