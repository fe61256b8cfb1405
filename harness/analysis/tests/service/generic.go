package main

// Cache forgets what was used least recently: a map and a ring, both generic.
type Cache[K comparable, V any] struct {
	limit   int
	entries map[K]*entry[K, V]
	root    entry[K, V]
	onEvict func(K, V)
}

type entry[K comparable, V any] struct {
	previous, next *entry[K, V]
	key            K
	value          V
}

// NewCache makes a cache of so many entries.
func NewCache[K comparable, V any](limit int) *Cache[K, V] {
	c := &Cache[K, V]{limit: limit + 8, entries: map[K]*entry[K, V]{}}
	c.root.previous, c.root.next = &c.root, &c.root
	evicted := 0
	c.onEvict = func(K, V) { evicted++ }
	return c
}

// Put adds an entry, and drops the oldest one if there are too many.
func (c *Cache[K, V]) Put(key K, value V) {
	e := &entry[K, V]{key: key, value: value, next: c.root.next, previous: &c.root}
	c.root.next.previous, c.root.next = e, e
	c.entries[key] = e
	if len(c.entries) > c.limit {
		oldest := c.root.previous
		oldest.previous.next, c.root.previous = &c.root, oldest.previous
		delete(c.entries, oldest.key)
		c.onEvict(oldest.key, oldest.value)
	}
}

// Tree is generic and recursive.
type Tree[T any] struct {
	left, right *Tree[T]
	value       T
}

// Insert adds a value.
func (t *Tree[T]) Insert(value T, less func(a, b T) bool) *Tree[T] {
	if t == nil {
		return &Tree[T]{value: value}
	}
	if less(value, t.value) {
		t.left = t.left.Insert(value, less)
	} else {
		t.right = t.right.Insert(value, less)
	}
	return t
}

// registry is held by main's stack alone.
type registry struct {
	numbers *Tree[int]
	names   *Tree[string]
	large   []*[100]*int
}

func newRegistry(n int) *registry {
	r := &registry{}
	seed := uint32(1)
	for i := 0; i < n; i++ {
		seed = seed*1664525 + 1013904223
		r.numbers = r.numbers.Insert(int(seed>>8), func(a, b int) bool { return a < b })
		r.names = r.names.Insert(string(rune('a'+seed>>28))+"name", func(a, b string) bool { return a < b })
		number := i
		large := new([100]*int)
		large[i%100] = &number
		r.large = append(r.large, large)
	}
	return r
}

func (r *registry) sum() int {
	if r.numbers == nil {
		return 0
	}
	return r.numbers.value + len(r.names.value) + len(r.large)
}
