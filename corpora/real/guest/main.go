// Command guest brings a Go process into a state that shows every kind of record a heap dump can hold,
// writes the dump to the file named by its argument, and reports on standard output, as JSON, what the
// runtime itself says about that moment.
//
// It expects one CPU: then nothing runs between the report and the dump.
package main

import (
	"encoding/json"
	"errors"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// The profiler samples every allocation, from the first one this package makes.
var _ = func() int { runtime.MemProfileRate = 1; return 0 }()

// report is what the runtime says right before the dump, by other means than the dump.
type report struct {
	GoVersion string `json:"go_version"`
	GOARCH    string `json:"goarch"`
	NumCPU    int    `json:"num_cpu"`
	PtrSize   int    `json:"ptr_size"`
	// Goroutines that are not the runtime's own, the dumping one included.
	NumGoroutine int `json:"num_goroutine"`
	// The same goroutines by the state that a traceback prints; the dumping one is not among them.
	States map[string]int `json:"states"`
	// Finalizers set by this program and by the os package for the files this program has open.
	Finalizers int `json:"finalizers"`
	// Finalizers that are due and not yet done, the running one included.
	QueuedFinalizers int `json:"queued_finalizers"`
	// Buckets of the memory profile.
	MemProfile int      `json:"memprof"`
	MemStats   memStats `json:"memstats"`
}

// memStats is the part of runtime.MemStats that only this program's allocations can change.
type memStats struct {
	Alloc       uint64 `json:"alloc"`
	TotalAlloc  uint64 `json:"total_alloc"`
	Mallocs     uint64 `json:"mallocs"`
	Frees       uint64 `json:"frees"`
	HeapAlloc   uint64 `json:"heap_alloc"`
	HeapObjects uint64 `json:"heap_objects"`
	NumGC       uint32 `json:"num_gc"`
}

// Global, so that taking the report allocates nothing.
var (
	stats  runtime.MemStats
	traces [1 << 16]byte
	ran    bool // a goroutine that the dump shall show as runnable has run
)

func main() {
	if len(os.Args) != 2 || runtime.GOMAXPROCS(0) != 1 {
		fail(errors.New("usage: taskset -c 0 guest FILE"))
	}
	out, err := os.Create(os.Args[1])
	if err != nil {
		fail(err)
	}
	fd := out.Fd() // makes the file blocking, as a dump needs it

	fillHeap()
	finalizers := setFinalizers()
	files := park()
	queued := queueFinalizers()

	// From here on the collector rests, so that its figures stay what the report says.
	runtime.GC()
	debug.SetGCPercent(-1)
	for i := 0; i < 3; i++ {
		go func() { ran = true }()
	}

	size := runtime.Stack(traces[:], true)
	goroutines := runtime.NumGoroutine()
	buckets, _ := runtime.MemProfile(nil, true)
	runtime.ReadMemStats(&stats)
	debug.WriteHeapDump(fd)

	if ran {
		fail(errors.New("preempted before the dump: run it again"))
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", "  ")
	err = encoder.Encode(report{
		GoVersion:        runtime.Version(),
		GOARCH:           runtime.GOARCH,
		NumCPU:           runtime.NumCPU(),
		PtrSize:          4 << (^uintptr(0) >> 63),
		NumGoroutine:     goroutines,
		States:           states(string(traces[:size])),
		Finalizers:       finalizers + files + 4, // standard streams and the dump
		QueuedFinalizers: queued,
		MemProfile:       buckets,
		MemStats: memStats{
			Alloc:       stats.Alloc,
			TotalAlloc:  stats.TotalAlloc,
			Mallocs:     stats.Mallocs,
			Frees:       stats.Frees,
			HeapAlloc:   stats.HeapAlloc,
			HeapObjects: stats.HeapObjects,
			NumGC:       stats.NumGC,
		},
	})
	if err != nil {
		fail(err)
	}
	keepAlive()
	runtime.KeepAlive(out)
}

// states counts the goroutines of a traceback by the words in their brackets, "chan receive" for one.
// The first goroutine is the caller, whose state at the time of the dump is another one.
func states(traceback string) map[string]int {
	counts := make(map[string]int)
	for _, stack := range strings.Split(traceback, "\n\n")[1:] {
		open, end := strings.Index(stack, "["), strings.Index(stack, "]")
		state := stack[open+1 : end]
		if comma := strings.Index(state, ","); comma >= 0 { // "syscall, locked to thread"
			state = state[:comma]
		}
		counts[state]++
	}
	return counts
}

// settle gives the goroutines started so far the time to park where they want to be.
func settle() {
	for i := 0; i < 20; i++ {
		runtime.Gosched()
		time.Sleep(5 * time.Millisecond)
	}
}

func fail(err error) {
	os.Stderr.WriteString("guest: " + err.Error() + "\n")
	os.Exit(1)
}
