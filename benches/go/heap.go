// Heap makes a heap of a given shape and times debug.WriteHeapDump.
//
// Standard input: {"bytes": n, "runs": n, "file": path, "classes": [[size, pointers, count], ...]}.
// Standard output: "size nanoseconds" for each run into /dev/null, then for each run into the file; the size is
// that of the file's dump. If there is "last": true as well, a dump follows the lines.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"runtime/debug"
	"unsafe"
)

var request struct {
	Bytes, Runs int
	File        string
	Classes     [][3]int
	Last        bool
}

// holder keeps 63 objects and the next holder: objects that hold objects, as in any program.
type holder struct {
	next    *holder
	objects [63]unsafe.Pointer
}

var all *holder
var used = 63

func hold(object unsafe.Pointer) {
	if used == 63 {
		all, used = &holder{next: all}, 0
	}
	all.objects[used] = object
	used++
}

func fill() {
	ptr := int(unsafe.Sizeof(uintptr(0)))
	// An int of 32 bits has no room for these.
	whole := int64(0)
	for _, c := range request.Classes {
		whole += int64(c[0]) * int64(c[2])
	}
	const rounds = 64
	left := make([]int64, len(request.Classes))
	for round := 0; round < rounds; round++ {
		for i, c := range request.Classes {
			left[i] += int64(c[2]) * int64(request.Bytes/rounds)
			typ := reflect.StructOf([]reflect.StructField{
				{Name: "P", Type: reflect.ArrayOf(c[1], reflect.TypeOf(unsafe.Pointer(nil)))},
				{Name: "B", Type: reflect.ArrayOf(c[0]-ptr*c[1], reflect.TypeOf(byte(0)))},
			})
			for ; left[i] >= whole; left[i] -= whole {
				object := reflect.New(typ).Pointer()
				for p := 0; p < c[1]; p++ {
					*(*uintptr)(unsafe.Pointer(object + uintptr(p*ptr))) = object
				}
				hold(unsafe.Pointer(object))
			}
		}
	}
}

// onCPU is how long this thread has been on a CPU, in nanoseconds.
func onCPU() (ns int64) {
	stat, err := os.ReadFile("/proc/thread-self/schedstat")
	if err != nil {
		panic(err)
	}
	if _, err := fmt.Sscan(string(stat), &ns); err != nil {
		panic(err)
	}
	return ns
}

func main() {
	if err := json.NewDecoder(os.Stdin).Decode(&request); err != nil {
		panic(err)
	}
	fill()
	runtime.GC()
	runtime.LockOSThread()
	for _, name := range []string{"/dev/null", request.File} {
		for run := 0; run < request.Runs; run++ {
			f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
			if err != nil {
				panic(err)
			}
			start := onCPU()
			debug.WriteHeapDump(f.Fd())
			took := onCPU() - start
			info, err := f.Stat()
			if err != nil {
				panic(err)
			}
			fmt.Println(info.Size(), took)
			f.Close()
		}
	}
	if request.Last {
		debug.WriteHeapDump(os.Stdout.Fd())
	}
	runtime.KeepAlive(all)
}
