// Command spans fills spans of every small size, with and without pointers, writes a heap dump to the file named by
// its argument, and prints as JSON what the runtime's own structures say of these spans at that moment: so many slots
// (`mspan.nelems`), and so many of them in use.
//
// It finds the structures by its own symbols and DWARF, so that it needs nothing of a release but their names.
package main

import (
	"debug/dwarf"
	"debug/elf"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"unsafe"
)

// Where the fields are that are read, in bytes from the start of their structure.
var layout struct {
	heap, allspans                                          uintptr
	start, pages, elemsize, nelems, allocated, class, state uintptr
}

// A span in use, as the runtime has it. No pointers, and so in no dump.
type span struct {
	start, pages, elemsize uintptr
	nelems, allocated      uint16
	noscan                 bool
}

var (
	spans [8192]span
	count int
)

func main() {
	if len(os.Args) != 2 || runtime.GOMAXPROCS(0) != 1 {
		fail(fmt.Errorf("usage: taskset -c 0 spans FILE"))
	}
	findLayout()
	out, err := os.Create(os.Args[1])
	check(err)
	fd := out.Fd() // makes the file blocking, as a dump needs it

	fill()
	// From here on nothing is allocated or swept.
	runtime.GC()
	runtime.GC()
	debug.SetGCPercent(-1)

	readSpans()
	debug.WriteHeapDump(fd)
	check(out.Close())

	fmt.Printf("{\"go_version\": %q, \"goarch\": %q, \"spans\": [\n", runtime.Version(), runtime.GOARCH)
	for i, s := range spans[:count] {
		comma := ","
		if i == count-1 {
			comma = ""
		}
		fmt.Printf("  [\"%#x\", %d, %d, %d, %d, %v]%s\n",
			s.start, s.pages, s.elemsize, s.nelems, s.allocated, s.noscan, comma)
	}
	fmt.Println("]}")
	runtime.KeepAlive(kept)
}

// readSpans notes the spans that are in use. It allocates nothing.
func readSpans() {
	all := *(*[]unsafe.Pointer)(unsafe.Pointer(layout.heap + layout.allspans))
	for _, s := range all {
		const inUse = 1 // mSpanInUse
		if *(*uint8)(unsafe.Pointer(uintptr(s) + layout.state)) != inUse {
			continue
		}
		spans[count] = span{
			start:     *(*uintptr)(unsafe.Pointer(uintptr(s) + layout.start)),
			pages:     *(*uintptr)(unsafe.Pointer(uintptr(s) + layout.pages)),
			elemsize:  *(*uintptr)(unsafe.Pointer(uintptr(s) + layout.elemsize)),
			nelems:    *(*uint16)(unsafe.Pointer(uintptr(s) + layout.nelems)),
			allocated: *(*uint16)(unsafe.Pointer(uintptr(s) + layout.allocated)),
			noscan:    *(*uint8)(unsafe.Pointer(uintptr(s) + layout.class))&1 == 1,
		}
		count++
	}
}

func findLayout() {
	file, err := elf.Open(os.Args[0])
	check(err)
	symbols, err := file.Symbols()
	check(err)
	for _, symbol := range symbols {
		if symbol.Name == "runtime.mheap_" {
			layout.heap = uintptr(symbol.Value)
		}
	}
	data, err := file.DWARF()
	check(err)
	structs := map[string]*dwarf.StructType{"runtime.mheap": nil, "runtime.mspan": nil}
	for reader, missing := data.Reader(), len(structs); missing > 0; {
		entry, err := reader.Next()
		check(err)
		if entry == nil {
			fail(fmt.Errorf("no DWARF of the runtime's structures"))
		}
		name, _ := entry.Val(dwarf.AttrName).(string)
		if _, wanted := structs[name]; wanted && entry.Tag == dwarf.TagStructType {
			t, err := data.Type(entry.Offset)
			check(err)
			structs[name] = t.(*dwarf.StructType)
			missing--
		}
	}
	field := func(of, name string) uintptr {
		for _, f := range structs[of].Field {
			if f.Name == name {
				return uintptr(f.ByteOffset)
			}
		}
		fail(fmt.Errorf("%s has no %s", of, name))
		return 0
	}
	layout.allspans = field("runtime.mheap", "allspans")
	layout.start = field("runtime.mspan", "startAddr")
	layout.pages = field("runtime.mspan", "npages")
	layout.elemsize = field("runtime.mspan", "elemsize")
	layout.nelems = field("runtime.mspan", "nelems")
	layout.allocated = field("runtime.mspan", "allocCount")
	layout.class = field("runtime.mspan", "spanclass")
	layout.state = field("runtime.mspan", "state")
}

func check(err error) {
	if err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "spans:", err)
	os.Exit(1)
}
