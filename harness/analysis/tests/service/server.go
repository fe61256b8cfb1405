package main

import (
	"bufio"
	"bytes"
	"container/list"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Server is the root of most of the heap.
type Server struct {
	mu       sync.Mutex
	sessions map[string]*Session
	byNumber map[uint64]*User
	users    []*User
	cache    *Cache[string, Page]
	recent   list.List
	jobs     chan Job
	counts   chan int
	handlers map[string]func(*Session) string
	loggers  []Logger
	audit    []Event
	config   map[string]any
	settings atomic.Value
	pool     sync.Pool
	shared   sync.Map
	buffers  [4]bytes.Buffer
	tags     map[string]struct{}
	grid     map[point]float64
	nested   map[int]map[string][]int
	wide     map[int]wide
	log      *bufio.Writer
	done     chan struct{}
	workers  sync.WaitGroup
	history  *version
}

// Session is what a client has.
type Session struct {
	ID      string
	User    *User
	Values  map[string]string
	Started time.Time
	last    *Request
	stop    func()
	scratch []byte
}

// User has fields of many kinds.
type User struct {
	Name    string
	Email   string
	Number  uint64
	Friends []*User
	Profile Profile
	score   float64
}

// Profile is part of User.
type Profile struct {
	Bio      string
	Pictures [][]byte
	Labels   [3]string
	Extra    any
}

// Request is a link of a list.
type Request struct {
	Path   string
	Header map[string][]string
	next   *Request
	body   []byte
}

// Job is sent to the workers.
type Job struct {
	name    string
	session *Session
	work    func() int
}

// Event is leaked.
type Event struct {
	When    time.Time
	What    string
	Details *Details
}

// Details belong to Event.
type Details struct {
	Text    string
	Numbers []int64
}

// Page is cached.
type Page struct {
	Title string
	Body  []byte
	Links []string
}

// Logger has several implementations.
type Logger interface{ Log(string) string }

type prefixLogger struct {
	prefix string
	lines  []string
}

func (l *prefixLogger) Log(line string) string {
	l.lines = append(l.lines, l.prefix+line)
	return line
}

type textLogger string

func (l textLogger) Log(line string) string { return string(l) + line }

type pairLogger struct{ first, second Logger }

func (l pairLogger) Log(line string) string { return l.first.Log(l.second.Log(line)) }

type point struct{ x, y int32 }

type wide struct{ words [40]*int }

type version struct {
	older *version
	data  [12]*string
	bits  [200]uint64
}

func newServer(n int) *Server {
	s := &Server{
		sessions: map[string]*Session{},
		byNumber: map[uint64]*User{},
		cache:    NewCache[string, Page](n / 4),
		jobs:     make(chan Job, 64),
		counts:   make(chan int, 1000),
		handlers: map[string]func(*Session) string{},
		config:   map[string]any{},
		tags:     map[string]struct{}{},
		grid:     map[point]float64{},
		nested:   map[int]map[string][]int{},
		wide:     map[int]wide{},
		log:      bufio.NewWriter(os.Stderr),
		done:     make(chan struct{}),
	}
	for i := 0; i < n; i++ {
		s.addSession(i)
	}
	for i := 0; i < n/8+8; i++ {
		s.cache.Put(fmt.Sprint("page-", i), Page{Title: fmt.Sprint("title ", i), Body: bytes.Repeat([]byte{'x'}, 100+i%500), Links: strings.Split("a,b,c", ",")})
		s.recent.PushBack(&Request{Path: fmt.Sprint("/recent/", i)})
		s.tags[fmt.Sprint("tag", i)] = struct{}{}
		s.grid[point{int32(i), int32(-i)}] = float64(i)
		s.nested[i%50] = map[string][]int{fmt.Sprint(i): make([]int, i%20)}
		s.shared.Store(fmt.Sprint("shared", i), &Details{Text: fmt.Sprint("detail ", i)})
		s.buffers[i%4].WriteString("some bytes of a buffer ")
		text := fmt.Sprint("version ", i)
		v := &version{older: s.history}
		v.data[i%12] = &text
		s.history = v
		number := i
		w := wide{}
		w.words[i%40] = &number
		s.wide[i%100] = w
	}
	s.configure()
	return s
}

func (s *Server) addSession(i int) {
	user := &User{Name: fmt.Sprint("user ", i), Email: fmt.Sprintf("user%d@example.org", i), Number: uint64(i), score: float64(i)}
	user.Profile.Bio = strings.Repeat("bio ", 1+i%16)
	for j := 0; j < i%4; j++ {
		user.Profile.Pictures = append(user.Profile.Pictures, make([]byte, 64+i%300))
	}
	user.Profile.Labels[i%3] = fmt.Sprint("label", i)
	switch i % 6 {
	case 0:
		user.Profile.Extra = fmt.Sprint("extra ", i)
	case 1:
		user.Profile.Extra = &Details{Text: fmt.Sprint("more ", i), Numbers: make([]int64, i%30)}
	case 2:
		user.Profile.Extra = Details{Text: fmt.Sprint("value ", i)}
	case 3:
		user.Profile.Extra = map[string]int{"number": i}
	case 4:
		user.Profile.Extra = []int32{int32(i), 1, 2, 3}
	}
	for j := 1; j <= i%5 && j <= len(s.users); j++ {
		user.Friends = append(user.Friends, s.users[len(s.users)-j])
	}
	session := &Session{ID: fmt.Sprintf("session-%08d", i), User: user, Started: time.Now(), scratch: make([]byte, 0, 32)}
	if i%3 == 0 {
		session.Values = map[string]string{"language": fmt.Sprint("l", i), "theme": fmt.Sprint("t", i)}
	}
	for j := 0; j < i%4; j++ {
		session.last = &Request{Path: fmt.Sprint("/", i, "/", j), next: session.last}
		if j == 0 {
			session.last.Header = map[string][]string{"Accept": {"text/html", fmt.Sprint("q=", i)}}
			session.last.body = []byte(fmt.Sprint("body of ", i))
		}
	}
	session.stop = func() { session.last = nil; s.tags[session.ID] = struct{}{} }
	s.sessions[session.ID] = session
	s.byNumber[user.Number] = user
	s.users = append(s.users, user)
}

func (s *Server) configure() {
	first := &prefixLogger{prefix: "first: "}
	s.loggers = []Logger{first, textLogger("second: "), pairLogger{first, textLogger("third: ")}}
	s.handlers["name"] = func(session *Session) string { return session.User.Name }
	s.handlers["log"] = func(session *Session) string { return first.Log(session.ID) }
	s.handlers["method"] = s.describe
	document := `{"listen": ":8080", "limits": {"sessions": 100, "names": ["a", "b"]}, "debug": true, "ratio": 0.5}`
	if err := json.Unmarshal([]byte(document), &s.config); err != nil {
		panic(err)
	}
	s.settings.Store(map[string]int{"timeout": 30})
	s.pool.New = func() any { return new(Details) }
	s.pool.Put(&Details{Text: "pooled " + fmt.Sprint(len(s.users))})
	fmt.Fprintf(s.log, "%d sessions", len(s.sessions))
}

func (s *Server) describe(session *Session) string { return fmt.Sprint(len(s.users), session.ID) }

// start leaves goroutines that wait, with the heap in their frames.
func (s *Server) start() {
	for i := 0; i < 8; i++ {
		s.workers.Add(1)
		go s.work(i)
	}
	for i := 0; i < 40; i++ {
		number := i
		session := s.sessions[fmt.Sprintf("session-%08d", i)]
		s.jobs <- Job{name: fmt.Sprint("job ", i), session: session, work: func() int { return number + len(s.users) }}
		s.counts <- i
	}
	time.AfterFunc(time.Hour, func() { s.leak(1) })
	// Workers have taken what they take, and wait.
	for len(s.counts) < 40+32 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(20 * time.Millisecond)
}

func (s *Server) work(number int) {
	defer s.workers.Done()
	mine := make([]*Details, 0, 8)
	for i := 0; i < 4; i++ {
		job := <-s.jobs
		mine = append(mine, &Details{Text: job.name, Numbers: make([]int64, 4)})
		s.counts <- job.work()
	}
	<-s.done
	for _, details := range mine {
		s.counts <- len(details.Text) + number
	}
}

// leak is the planted one: nobody ever takes anything out of audit.
func (s *Server) leak(n int) {
	for i := 0; i < n; i++ {
		details := &Details{Text: fmt.Sprint("what happened ", i), Numbers: make([]int64, 8)}
		s.audit = append(s.audit, Event{When: time.Now(), What: fmt.Sprint("event ", i), Details: details})
	}
}

func (s *Server) stop() int {
	close(s.done)
	s.workers.Wait()
	return len(s.audit) + len(s.counts)
}
