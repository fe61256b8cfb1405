package main

import (
	"runtime"
	"strings"
	"time"
)

// node is small, and its pointers are not all it has.
type node struct {
	next *node
	n    uint64
	name string
	any  interface{}
}

// wide is larger than what has its pointers described in its span.
type wide struct {
	n     [40]uint64
	to    *node
	m     [40]uint64
	names []string
}

// huge has so many pointers that their mask is made when it is needed.
type huge struct {
	head [3]*node
	body [5000]struct {
		p *node
		n [3]uintptr
		f func()
	}
	tail interface{}
}

// pair is generic.
type pair[K comparable, V any] struct {
	key   K
	value V
	next  *pair[K, V]
}

type shape interface{ area() int }

type square struct{ side *int }

func (s square) area() int { return *s.side }

type circle[T any] struct{ inner T }

func (c *circle[T]) area() int { return 3 }

var heap struct {
	nodes   []*node
	single  []**node
	wide    []*wide
	huge    []*huge
	bytes   [][]byte
	strings map[string]*node
	ints    map[int]int
	structs map[[3]int]wide
	pairs   *pair[string, []int]
	shapes  []shape
	chans   []chan *node
	large   []*node
	array   *[10000]pair[int, *node]
	timers  []*time.Timer
	funcs   []func() int
}

func fill() {
	heap.strings, heap.ints, heap.structs = map[string]*node{}, map[int]int{}, map[[3]int]wide{}
	var last *node
	for i := 0; i < 3000; i++ {
		last = &node{next: last, n: uint64(i), name: strings.Repeat("x", i%50), any: i}
		heap.nodes = append(heap.nodes, last)
		p := new(*node)
		*p = last
		heap.single = append(heap.single, p)
		heap.bytes = append(heap.bytes, make([]byte, i%700))
		if i%10 == 0 {
			heap.strings[last.name+string(rune('a'+i%26))] = last
			heap.ints[i] = i
			heap.wide = append(heap.wide, &wide{to: last, names: []string{"a", last.name}})
			heap.pairs = &pair[string, []int]{last.name, make([]int, i%9), heap.pairs}
			side := i
			heap.shapes = append(heap.shapes, square{&side}, &circle[*node]{last}, &circle[int]{i})
			heap.funcs = append(heap.funcs, func() int { return side + int(last.n) }, square{&side}.area)
		}
	}
	for i := 0; i < 20; i++ {
		heap.structs[[3]int{i}] = wide{to: last}
		c := make(chan *node, i)
		if i > 0 {
			c <- last
		}
		heap.chans = append(heap.chans, c)
		heap.timers = append(heap.timers, time.AfterFunc(time.Hour, func() { heap.ints[0]++ }))
	}
	heap.huge = append(heap.huge, &huge{tail: last}, nil)
	more := make([]huge, 2)
	heap.huge[1] = &more[1]
	heap.large = make([]*node, 20000)
	heap.large[19999] = last
	heap.array = new([10000]pair[int, *node])
}

// thin lets go of every other object, so that spans are half free, and allocates some anew.
func thin() {
	for i := range heap.nodes {
		if i%2 == 0 {
			heap.nodes[i], heap.single[i], heap.bytes[i] = nil, nil, nil
		} else if heap.nodes[i] != nil {
			heap.nodes[i].next = nil
		}
	}
	for i := range heap.wide {
		if i%3 != 0 {
			heap.wide[i] = nil
		}
	}
	for key := range heap.strings {
		delete(heap.strings, key)
	}
	runtime.GC()
	for i := 0; i < 200; i++ {
		heap.nodes[2*i] = &node{n: uint64(i)}
		heap.bytes[2*i] = make([]byte, 33)
	}
}

// finalize registers what is to be done with objects that are gone, and loses some of them.
func finalize() {
	for i := 0; i < 30; i++ {
		n := &node{n: uint64(i)}
		runtime.SetFinalizer(n, func(n *node) { time.Sleep(time.Hour) })
		if i%2 == 0 {
			heap.nodes[i] = n
		}
	}
	cleanups()
}
