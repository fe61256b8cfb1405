package main

import "runtime"

// A type of every shape that an interface value can hold: behind a pointer, or in the word itself.
type (
	shape  interface{ Area() int }
	point  struct{ x, y int32 }
	square struct{ side int }
	boxed  struct{ only *square } // pointer-shaped: stored in the interface's word
	single [1]*square             // likewise
	table  map[string]int
	queue  chan int
	action func() int
	number int
	label  string
	empty  struct{}
)

func (p point) Area() int   { return int(p.x) * int(p.y) }
func (s *square) Area() int { return s.side * s.side }
func (b boxed) Area() int   { return b.only.Area() }
func (s single) Area() int  { return s[0].Area() }
func (t table) Area() int   { return len(t) }
func (q queue) Area() int   { return cap(q) }
func (a action) Area() int  { return a() }
func (n number) Area() int  { return int(n) }
func (l label) Area() int   { return len(l) }
func (empty) Area() int     { return 0 }

// node is an element of a ring that pointers of each kind hold together.
type node struct {
	next     *node
	interior *byte
	name     string
	payload  []byte
	any      interface{}
	shape    shape
}

// world is what stays reachable until the dump is written.
var world struct {
	shapes   []shape
	anything []interface{}
	ring     *node
	sizes    [][]byte
	pointers []*[2]uintptr
	large    *[5000]*node
	maps     []interface{}
	channels []chan *node
	sparse   []*[6]uint64
}

func fillHeap() {
	four := &square{4}
	world.shapes = []shape{
		point{2, 3}, four, boxed{four}, single{four}, table{"a": 1, "b": 2}, make(queue, 5),
		action(func() int { return four.side }), number(7), label("label"), empty{},
	}
	for _, s := range world.shapes {
		world.anything = append(world.anything, s, s.Area(), &s)
	}

	world.ring = ring(24)
	// One object of every size class up to 32 KiB, then objects with spans of their own.
	for size := 1; size <= 200<<10; size += size/4 + 1 {
		noscan := make([]byte, size)
		noscan[0], noscan[size-1] = byte(size), byte(size>>8)
		world.sizes = append(world.sizes, noscan)
	}
	for i := 0; i < 100; i++ {
		world.pointers = append(world.pointers, &[2]uintptr{uintptr(i), ^uintptr(i)})
	}
	world.large = new([5000]*node)
	for i := 0; i < len(world.large); i += 7 {
		world.large[i] = world.ring
	}
	fillMaps()
	fillChannels()

	// Spans with gaps: three of four slots are free again.
	for i := 0; i < 400; i++ {
		if slot := (&[6]uint64{uint64(i), 0x0123456789abcdef}); i%4 == 0 {
			world.sparse = append(world.sparse, slot)
		} else {
			discarded = slot
		}
	}
	discarded = nil
	runtime.GC()
}

var discarded *[6]uint64

// ring is a cycle of n nodes, each with a pointer into the middle of another object.
func ring(n int) *node {
	first := &node{name: "first"}
	last := first
	for i := 1; i < n; i++ {
		payload := make([]byte, 16+i)
		last.next = &node{name: "node" + string(rune('a'+i)), payload: payload[i/2:]}
		last.interior = &payload[len(payload)/2]
		last.any, last.shape = number(i), &square{i}
		last = last.next
	}
	last.next, last.any = first, first
	return first
}

func fillMaps() {
	names := make(map[string]*node)
	for i := 0; i < 100; i++ {
		names[string(rune('A'+i%26))+string(rune('a'+i/26))] = world.ring
	}
	inline := map[uint32]uint32{1: 2, 3: 4}
	huge := map[int][200]byte{1: {0: 1, 199: 2}} // values too large for their bucket
	world.maps = []interface{}{names, inline, huge, map[interface{}]shape{4: label("four"), "five": number(5)}}
}

func fillChannels() {
	for capacity := 0; capacity < 4; capacity++ {
		c := make(chan *node, capacity)
		for i := 0; i < capacity; i++ {
			c <- world.ring
		}
		world.channels = append(world.channels, c)
	}
}

func keepAlive() {
	runtime.KeepAlive(world)
}
