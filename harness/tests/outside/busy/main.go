// A busy program that keeps a list of what is alive: at any moment, every address in live is that of an object, which is
// reachable. Nothing in the list is a pointer, so the list itself keeps nothing alive. And every object that it lists has a
// number of its own, so that it is known again in a later dump.
//
// Usage: busy [crash | stay | dumps FILE | hold MB]. It crashes, stays, dumps itself every now and then, or holds so many MB of
// objects and dumps itself to each path that is a line of its input.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"time"
	"unsafe"
)

// The first word of every object that is listed.
const magic = 0x6d616769

type node struct {
	magic uintptr
	// Who has made it, and how many before it.
	worker, number uintptr
	next           *node
	other          any
	room           [3]uintptr
}

const (
	workers = 6
	slots   = 32
)

var (
	// The addresses of what is alive.
	live [workers][slots]uintptr
	// How many were made.
	made [workers]uintptr

	roots   [workers][slots]*node
	maps    [workers]map[int]*node
	garbage any
	stop    = make(chan *node)
)

// alloc makes an object of the heap: one whose maker returns it lies on no stack.
//
//go:noinline
func alloc(worker int) *node {
	made[worker]++
	return &node{magic: magic, worker: uintptr(worker), number: made[worker]}
}

func list(worker, slot int, n *node) { live[worker][slot] = uintptr(unsafe.Pointer(n)) }

func drop(worker, slot int) { live[worker][slot] = 0 }

// waste makes garbage of many sizes.
func waste(i int) {
	switch i % 4 {
	case 0:
		garbage = make([]byte, 1+i%3000)
	case 1:
		garbage = make([]*node, 1+i%700)
	case 2:
		garbage = fmt.Sprint("garbage ", i)
	case 3:
		garbage = &node{next: &node{}}
	}
}

// Objects that a global variable holds, one through another, or a map.
func global(w int) {
	maps[w] = make(map[int]*node)
	for i := 0; ; i++ {
		slot := i % slots
		drop(w, slot)
		n := alloc(w)
		if i%3 == 0 {
			roots[w][slot] = nil
			maps[w][slot] = n
		} else {
			delete(maps[w], slot)
			roots[w][slot] = &node{next: &node{other: n}}
		}
		list(w, slot, n)
		runtime.KeepAlive(n)
		waste(i)
	}
}

// Objects that nothing holds but the stack of a goroutine that runs, deeper and deeper.
func stack(w int) {
	for i := 0; ; i++ {
		deeper(w, 0, 3+i%20, alloc(w))
		waste(i)
	}
}

func deeper(w, slot, depth int, n *node) uintptr {
	list(w, slot, n)
	sum := n.magic
	if depth > 0 {
		var room [40]uintptr
		room[depth] = deeper(w, slot+1, depth-1, alloc(w))
		sum += room[depth]
	}
	// A loop without calls, in which the goroutine can be stopped anywhere.
	for i := uintptr(0); i < 200; i++ {
		sum = sum*31 + n.magic
	}
	drop(w, slot)
	runtime.KeepAlive(n)
	return sum
}

// Objects that go through channels, to closures and to goroutines that wait.
func channels(w int) {
	c := make(chan *node, 4)
	done := make(chan bool)
	for i := 0; ; i++ {
		n := alloc(w)
		list(w, 0, n)
		c <- n
		m := alloc(w)
		list(w, 1, m)
		go func() {
			got := <-c
			drop(w, 0)
			runtime.KeepAlive(got)
			drop(w, 1)
			done <- m.magic == magic
		}()
		<-done
		waste(i)
	}
}

// Objects with finalizers, and ones that locks and deferred calls hold.
func others(w int) {
	var mu sync.Mutex
	for i := 0; ; i++ {
		func() {
			mu.Lock()
			n := alloc(w)
			list(w, 0, n)
			defer func() {
				drop(w, 0)
				runtime.KeepAlive(n)
				mu.Unlock()
			}()
			if i%5 == 0 {
				runtime.SetFinalizer(&node{next: n}, func(*node) {})
			}
			waste(i)
			time.Sleep(time.Microsecond)
		}()
	}
}

func hold(mb int) {
	const list = 1 << 13
	per := list * int(unsafe.Sizeof(node{})+unsafe.Sizeof(&node{}))
	var keep [][]*node
	for i := 0; i < mb<<20/per; i++ {
		some := make([]*node, list)
		for j := range some {
			some[j] = &node{magic: magic}
		}
		keep = append(keep, some)
	}
	garbage = keep
	runtime.GC()
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		file, err := os.Create(lines.Text())
		if err != nil {
			panic(err)
		}
		start := time.Now()
		debug.WriteHeapDump(file.Fd())
		fmt.Println(time.Since(start).Seconds())
		file.Close()
	}
}

// Whether the program dumps itself just now.
var dumping uintptr

func dumps(path string) {
	for {
		time.Sleep(6 * time.Millisecond)
		file, err := os.Create(path)
		if err != nil {
			panic(err)
		}
		dumping = 1
		debug.WriteHeapDump(file.Fd())
		dumping = 0
		dumped()
		file.Close()
	}
}

//go:noinline
func dumped() {}

func main() {
	if len(os.Args) > 2 && os.Args[1] == "hold" {
		mb, err := strconv.Atoi(os.Args[2])
		if err != nil {
			panic(err)
		}
		hold(mb)
		return
	}
	debug.SetGCPercent(5)
	go global(0)
	go global(1)
	go stack(2)
	go stack(3)
	go channels(4)
	go others(5)
	if len(os.Args) > 2 {
		dumps(os.Args[2])
	}
	if len(os.Args) > 1 {
		time.Sleep(200 * time.Millisecond)
		fmt.Println("ready")
		if os.Args[1] == "crash" {
			var p *node
			p.magic = 1
		}
	}
	<-stop
}
