package main

import "runtime"

// made is something with an address, and the address of its type's descriptor: as a pointer's in an interface.
type made struct {
	Address uintptr `json:"address"`
	Type    uintptr `json:"type"`
}

// owned is what was allocated for the value of a leaf of an object.
type owned struct {
	Object  int     `json:"object"`
	Leaf    int     `json:"leaf"`
	Address uintptr `json:"address"`
}

type final struct {
	Object   uintptr `json:"object"`
	Closure  uintptr `json:"closure"`
	Code     uintptr `json:"code"`
	Argument uintptr `json:"argument"`
	Type     uintptr `json:"type"`
}

// bucket is one of the memory profile: allocations from one place.
type bucket struct {
	Allocs int64  `json:"allocs"`
	Frees  int64  `json:"frees"`
	Bytes  int64  `json:"bytes"` // allocated
	Stack  []call `json:"stack"`
}

type call struct {
	Function string `json:"function"`
	File     string `json:"file"`
	Line     int    `json:"line"`
}

// told is the report. All addresses in it are numbers: they hold nothing alive.
var told = report{Shapes: make(map[string]made)}

type report struct {
	Version    string            `json:"version"`
	Arch       string            `json:"arch"`
	CPUs       int               `json:"cpus"`
	Thread     int               `json:"thread"` // which dumps
	Objects    []made            `json:"objects"`
	Parts      []owned           `json:"parts"`
	Shapes     map[string]made   `json:"shapes"` // itabs, and what they are of
	Cells      uintptr           `json:"cells"`
	Initial    uintptr           `json:"initial"`
	Anchor     uintptr           `json:"anchor"`
	Number     uintptr           `json:"number"` // the descriptor of uint64
	Start      uintptr           `json:"start"`  // the code of (*routine).start
	Finalizers []final           `json:"finalizers"`
	Queued     []final           `json:"queued"`
	Goroutines []int             `json:"goroutines"` // their numbers
	Panics     []uintptr         `json:"panics"`     // the descriptors of the types that steps panic with
	Preempted  bool              `json:"preempted"`  // some that should be runnable may have run
	Trace      string            `json:"trace"`      // what a traceback prints of all goroutines
	Statistics map[string]uint64 `json:"statistics"`
	Profile    []bucket          `json:"profile"`
}

// What is measured right before the dump, without an allocation.
var (
	statistics runtime.MemStats
	trace      [1 << 20]byte
	traced     int
	records    [4096]runtime.MemProfileRecord
	recorded   int
)

func figures() {
	traced = runtime.Stack(trace[:], true)
	recorded, _ = runtime.MemProfile(records[:], true)
	runtime.ReadMemStats(&statistics)
}

// figures puts what was measured into the report.
func (r *report) figures(profile bool) {
	r.Trace = string(trace[:traced])
	m := &statistics
	r.Statistics = map[string]uint64{
		"alloc": m.Alloc, "total_alloc": m.TotalAlloc, "sys": m.Sys, "lookups": m.Lookups, "mallocs": m.Mallocs,
		"frees": m.Frees, "heap_alloc": m.HeapAlloc, "heap_sys": m.HeapSys, "heap_idle": m.HeapIdle,
		"heap_inuse": m.HeapInuse, "heap_released": m.HeapReleased, "heap_objects": m.HeapObjects,
		"stacks_inuse": m.StackInuse, "stacks_sys": m.StackSys, "mspan_inuse": m.MSpanInuse, "mspan_sys": m.MSpanSys,
		"mcache_inuse": m.MCacheInuse, "mcache_sys": m.MCacheSys, "buckhash_sys": m.BuckHashSys, "gc_sys": m.GCSys,
		"other_sys": m.OtherSys, "next_gc": m.NextGC, "last_gc": m.LastGC, "pause_total_ns": m.PauseTotalNs,
		"num_gc": uint64(m.NumGC),
	}
	if !profile {
		return
	}
	for _, record := range records[:recorded] {
		b := bucket{Allocs: record.AllocObjects, Frees: record.FreeObjects, Bytes: record.AllocBytes}
		for i, pc := range record.Stack() {
			b.Stack = append(b.Stack, called(i, pc))
		}
		r.Profile = append(r.Profile, b)
	}
}

// called says which function a program counter of a stack belongs to: the one that was compiled, whatever it has inline.
func called(depth int, pc uintptr) call {
	f := runtime.FuncForPC(pc)
	entry := f.Entry()
	if depth > 0 && pc > entry {
		pc--
	}
	file, line := runtime.FuncForPC(pc).FileLine(pc)
	return call{runtime.FuncForPC(entry).Name(), file, line}
}

// identify reports the number of the goroutine that calls it.
func (r *report) identify(place int) {
	var text [64]byte
	n, id := runtime.Stack(text[:], false), 0
	for _, c := range text[len("goroutine "):n] {
		if c < '0' || c > '9' {
			break
		}
		id = id*10 + int(c-'0')
	}
	r.Goroutines[place] = id
}
