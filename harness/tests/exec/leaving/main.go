// Command leaving dumps its heap again and again, while goroutines enter and leave system calls. The runtime of Go 1.26 and
// 1.27 throws when it dumps a goroutine that is just leaving one, which ends the program.
package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"
)

func main() {
	runtime.GOMAXPROCS(4)
	out, err := os.OpenFile("/dev/null", os.O_WRONLY, 0)
	if err != nil {
		panic(err)
	}
	for i := 0; i < 8; i++ {
		pause := syscall.NsecToTimespec(int64(20000 + 1000*i))
		go func() {
			for {
				syscall.Nanosleep(&pause, nil)
			}
		}()
	}
	for start := time.Now(); time.Since(start) < 30*time.Second; {
		debug.WriteHeapDump(out.Fd())
		time.Sleep(100 * time.Microsecond)
	}
}
