// It dumps its heap beside a goroutine that has not run yet, whose argument lies beyond the frame of runtime.goexit: what
// the dialects of Go 1.5 say of it differs.
package main

import (
	"os"
	"runtime/debug"
)

func wait(*int) {
	select {}
}

func main() {
	file, err := os.Create("own.dump")
	if err != nil {
		panic(err)
	}
	go wait(new(int))
	debug.WriteHeapDump(file.Fd())
}
