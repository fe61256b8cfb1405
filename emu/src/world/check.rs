//! The rules of worlds: which descriptions are of a process that Go 1.5 could be in.
//!
//! The unwinder and the dump writer rely on them. An image is built from a world that keeps them, so
//! that whatever goes wrong with its dump is the writer's fault.

use super::{
    Activation, ArgsSize, Contents, Extent, Finalizer, Function, Funcval, Goroutine, LocalsMap, Object, Pc,
    Span, Status, Stop, Value, World,
};

/// A world that no Go process can be in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such process: {at}: {problem}")]
pub struct Invalid {
    /// What is wrong, as a path: "goroutine 2, activation 0".
    pub at: String,
    /// The rule that it breaks.
    pub problem: String,
}

/// Functions that every image has besides the world's, and that a world may not name.
pub(crate) const RESERVED: &[&str] = &[
    "runtime.deferproc",
    "runtime.entersyscall",
    "runtime.goexit",
    "runtime.jmpdefer",
    "runtime.mcall",
    "runtime.morestack",
    "runtime.mstart",
    "runtime.rt0_go",
    "runtime.stackBarrier",
    "runtime.systemstack",
];

/// Function names to which the runtime gives a meaning: at most one function has each. After `sigpanic`
/// come those that make a system goroutine of one that starts with them.
pub(crate) const MEANINGFUL: &[&str] = &[
    "runtime.sigpanic",
    "runtime.runfinq",
    "runtime.backgroundgc",
    "runtime.bgsweep",
    "runtime.forcegchelper",
    "runtime.timerproc",
    "runtime.gcBgMarkWorker",
];

/// `hashSize` (iface.go).
pub(crate) const ITAB_BUCKETS: usize = 1009;
/// `maxStack` (mprof.go).
const MAX_STACK: usize = 32;
/// A frame of a megabyte on 64-bit machines.
const MAX_FRAME: u32 = 1 << 17;

type Check = Result<(), Invalid>;

fn require(holds: bool, at: &dyn Fn() -> String, problem: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(Invalid { at: at(), problem: problem() }) }
}

impl World {
    /// Says whether a Go process could be in this state.
    ///
    /// # Errors
    /// [`Invalid`] names the first thing that is wrong, and the rule that it breaks.
    pub fn check(&self) -> Result<(), Invalid> {
        for (i, t) in self.types.iter().enumerate() {
            let at = || format!("type {i}");
            require(t.kind < 32, &at, || format!("kind {} does not fit into 5 bits", t.kind))?;
            self.index(t.ptrto, self.types.len(), "type", &at)?;
        }
        for (i, itab) in self.itabs.iter().enumerate() {
            let at = || format!("itab {i}");
            self.index(Some(itab.typ), self.types.len(), "type", &at)?;
            require(itab.bucket < ITAB_BUCKETS, &at, || format!("bucket {} is not below 1009", itab.bucket))?;
        }
        for (i, f) in self.functions.iter().enumerate() {
            self.check_function(i, f)?;
        }
        require(self.modules.is_sorted_by(|a, b| a < b), &|| "modules".into(), || {
            "further modules begin with functions in ascending order".into()
        })?;
        self.index(self.modules.last().copied(), self.functions.len(), "function", &|| "modules".into())?;
        require(self.arena.below <= 256 && self.arena.span_pages <= 4, &|| "arena".into(), || {
            "more than 256 pages below a longer address, or spans of more than 4 pages".into()
        })?;
        for (i, root) in self.other_roots.iter().enumerate() {
            self.check_value(&root.target, &|| format!("other root {i}"))?;
        }
        for (what, slots) in [("data", &self.data), ("bss", &self.bss)] {
            for (i, slot) in slots.iter().enumerate() {
                self.check_value(slot.value(), &|| format!("{what} word {i}"))?;
            }
        }
        for (i, o) in self.objects.iter().enumerate() {
            self.check_object(o, &|| format!("object {i}"))?;
        }
        for (i, span) in self.spans.iter().enumerate() {
            if let Span::Stack { pages } | Span::Free { pages } | Span::Dead { pages } = span {
                require((1..=1 << 16).contains(pages), &|| format!("span {i}"), || {
                    format!("{pages} pages are not between 1 and 65536")
                })?;
            }
        }
        for (i, q) in self.queued.iter().enumerate() {
            let at = || format!("queued finalizer {i}");
            self.check_value(&q.object, &at)?;
            self.check_finalizer(&q.finalizer, &at)?;
        }
        for (i, g) in self.goroutines.iter().enumerate() {
            self.check_goroutine(i, g)?;
        }
        for (i, b) in self.buckets.iter().enumerate() {
            let at = || format!("bucket {i}");
            require((1..=MAX_STACK).contains(&b.stack.len()), &at, || {
                format!("a stack of {} PCs: there must be 1 to {MAX_STACK}", b.stack.len())
            })?;
            b.stack.iter().try_for_each(|pc| self.check_pc(pc, &at))?;
        }
        let pauses = self.memstats.pause_ns.len();
        require(pauses <= 256, &|| "memstats".into(), || {
            format!("{pauses} pause times: there are at most 256")
        })
    }

    fn index(&self, index: Option<usize>, len: usize, what: &str, at: &dyn Fn() -> String) -> Check {
        let Some(index) = index else { return Ok(()) };
        require(index < len, at, || format!("there is no {what} {index}: there are {len}"))
    }

    fn check_function(&self, i: usize, f: &Function) -> Check {
        let at = || match &f.name {
            Some(name) => format!("function {i} ({name})"),
            None => format!("function {i}"),
        };
        for text in f.name.iter().chain(&f.file) {
            require(!text.contains('\0'), &at, || "a name with a NUL byte in it".into())?;
        }
        if let Some(name) = f.name.as_deref() {
            require(!RESERVED.contains(&name), &at, || {
                "the image has a function of this name already".into()
            })?;
            let first = self.functions.iter().position(|g| g.name.as_deref() == Some(name));
            require(!MEANINGFUL.contains(&name) || first == Some(i), &at, || {
                "the runtime knows this function by its name, and there are two".into()
            })?;
        }
        require(f.frame <= MAX_FRAME, &at, || format!("a frame of {} words: at most {MAX_FRAME}", f.frame))?;
        require(!f.leaf || f.frame == 0, &at, || "a leaf has no frame".into())?;
        match &f.locals_map {
            LocalsMap::Absent => {}
            LocalsMap::Size(words) => require((1..=f.frame).contains(words), &at, || {
                format!("locals of {words} words in a frame of {}", f.frame)
            })?,
            LocalsMap::Bitmaps(b) => {
                require(b.bits <= f.frame, &at, || format!("{} locals in a frame of {}", b.bits, f.frame))?;
                require(b.maps.iter().all(|m| m.len() <= b.bits as usize), &at, || {
                    format!("a locals bitmap of more than {} bits", b.bits)
                })?;
            }
        }
        if let Some(b) = &f.args_map {
            require(!b.maps.is_empty(), &at, || "an arguments map without a bitmap".into())?;
            require(b.maps.iter().all(|m| m.len() <= b.bits as usize), &at, || {
                format!("an arguments bitmap of more than {} bits", b.bits)
            })?;
            if let ArgsSize::Words(words) = f.args {
                require(b.bits <= words, &at, || format!("{} argument bits for {words} words", b.bits))?;
            }
        }
        require(f.args != ArgsSize::Unknown || f.args_map.is_some() || f.describes_own_args(), &at, || {
            "arguments of unknown size need an arguments map".into()
        })
    }

    fn check_object(&self, o: &Object, at: &dyn Fn() -> String) -> Check {
        match &o.contents {
            Contents::Bytes { len, .. } => require(*len >= 1, at, || "an object of no bytes".into())?,
            Contents::Words { len, slots } => {
                require(*len >= 1, at, || "an object of no words".into())?;
                require(slots.len() <= *len as usize, at, || {
                    format!("{} slots in {len} words", slots.len())
                })?;
                slots.iter().try_for_each(|slot| self.check_value(slot.value(), at))?;
            }
        }
        let is_tiny = matches!(o.contents, Contents::Bytes { len, .. } if len < 16 && o.finalizer_at < len);
        require(o.finalizer_at == 0 || is_tiny && o.finalizer.is_some(), at, || {
            format!("a finalizer {} bytes into an object that is no tiny block", o.finalizer_at)
        })?;
        self.index(o.sample, self.buckets.len(), "bucket", at)?;
        if let Some(finalizer) = &o.finalizer {
            self.check_finalizer(finalizer, at)?;
        }
        require(o.freed_after.is_none() || (o.finalizer.is_none() && o.sample.is_none()), at, || {
            "a freed object has lost its finalizer and its profile sample".into()
        })
    }

    fn check_finalizer(&self, f: &Finalizer, at: &dyn Fn() -> String) -> Check {
        self.check_funcval(&f.fun, at)?;
        self.index(f.fint, self.types.len(), "type", at)?;
        self.index(f.ot, self.types.len(), "type", at)
    }

    fn check_funcval(&self, f: &Funcval, at: &dyn Fn() -> String) -> Check {
        match *f {
            Funcval::Static(function) => self.index(Some(function), self.functions.len(), "function", at),
            Funcval::Closure(object) => {
                self.check_value(&Value::Object { object, offset: Extent::ZERO }, at)?;
                require(matches!(self.slot_value(object, 0), Some(Value::Code(_))), at, || {
                    format!("object {object} is no closure: its first word is not a function's entry PC")
                })
            }
        }
    }

    /// What word `word` of an object holds, if it is one of its slots.
    pub(crate) fn slot_value(&self, object: usize, word: usize) -> Option<&Value> {
        match &self.objects.get(object)?.contents {
            Contents::Words { slots, .. } => slots.get(word).map(super::Slot::value),
            Contents::Bytes { .. } => None,
        }
    }

    fn check_value(&self, value: &Value, at: &dyn Fn() -> String) -> Check {
        match *value {
            Value::Scalar(_) => Ok(()),
            Value::Data(i) => self.index(Some(i), self.data.len(), "data word", at),
            Value::Bss(i) => self.index(Some(i), self.bss.len(), "bss word", at),
            Value::Type(i) => self.index(Some(i), self.types.len(), "type", at),
            Value::Itab(i) => self.index(Some(i), self.itabs.len(), "itab", at),
            Value::Code(i) | Value::Funcval(i) => self.index(Some(i), self.functions.len(), "function", at),
            Value::Bitvector(i) => self.index(Some(i), self.bitvectors.len(), "bit vector", at),
            Value::Goroutine(i) => self.index(Some(i), self.goroutines.len(), "goroutine", at),
            Value::Object { object, offset } => {
                self.index(Some(object), self.objects.len(), "object", at)?;
                let o = &self.objects[object];
                require(o.freed_after.is_none(), at, || {
                    format!("a pointer to object {object}, which is freed")
                })?;
                let inside = |ptr_size| offset.on(ptr_size) < o.contents.requested(ptr_size);
                require(inside(4) && inside(8), at, || format!("a pointer after the end of object {object}"))
            }
            Value::Stack { goroutine, frame, word } => {
                self.index(Some(goroutine), self.goroutines.len(), "goroutine", at)?;
                let g = &self.goroutines[goroutine];
                self.index(Some(frame), g.activations.len(), "activation", at)?;
                require(g.has_frame(frame), at, || {
                    format!("activation {frame} of {goroutine} has no frame yet")
                })?;
                let words = self.functions.get(g.activations[frame].function).map_or(0, |f| f.frame as usize);
                self.index(Some(word), words, "frame word", at)
            }
        }
    }

    fn check_pc(&self, pc: &Pc, at: &dyn Fn() -> String) -> Check {
        match *pc {
            Pc::Zero => Ok(()),
            Pc::Unknown(pc) => require(pc < 4096 || pc & 0xffff_ffff >= 0xf000_0000, at, || {
                format!(
                    "PC {pc:#x} may be in the text: take one below 0x1000, or one whose low half is 0xf0000000 or more"
                )
            }),
            Pc::Entry(function) => self.index(Some(function), self.functions.len(), "function", at),
            Pc::Return { goroutine, frame } => {
                self.index(Some(goroutine), self.goroutines.len(), "goroutine", at)?;
                let g = &self.goroutines[goroutine];
                self.index(Some(frame), g.activations.len(), "activation", at)?;
                require(g.stop != Stop::NotStarted, at, || {
                    format!("goroutine {goroutine} has called nothing yet")
                })
            }
        }
    }

    fn check_goroutine(&self, i: usize, g: &Goroutine) -> Check {
        let at = || format!("goroutine {i}");
        if g.status == Status::Dead {
            let empty = g.activations.is_empty() && g.panics.is_empty() && g.hit_barriers == 0;
            return require(empty, &at, || {
                "a dead goroutine has no stack, no panics and no stack barriers".into()
            });
        }
        self.index(g.thread, self.threads.len(), "thread", &at)?;
        self.check_pc(&g.gopc, &at)?;
        self.check_value(&g.ctxt, &at)?;
        g.args.iter().try_for_each(|arg| self.check_value(arg, &at))?;
        require(g.args.len() <= 64, &at, || "more than 64 words of arguments".into())?;
        for panic in &g.panics {
            self.index(panic.typ, self.types.len(), "type", &at)?;
            self.check_value(&panic.data, &at)?;
        }
        require(!g.activations.is_empty(), &at, || "there is no activation".into())?;
        for (k, a) in g.activations.iter().enumerate() {
            self.check_activation(g, k, a, &|| format!("goroutine {i}, activation {k}"))?;
        }
        let depth = g.activations.len();
        match g.stop {
            Stop::NotStarted => {
                require(depth == 1, &at, || "it has not started, yet has called something".into())
            }
            Stop::NilCall => {
                let same =
                    depth >= 2 && g.activations[depth - 1].function == g.activations[depth - 2].function;
                require(same, &at, || "the caller of what called nil must be the same function".into())
            }
            _ => Ok(()),
        }
    }

    fn check_activation(&self, g: &Goroutine, k: usize, a: &Activation, at: &dyn Fn() -> String) -> Check {
        self.index(Some(a.function), self.functions.len(), "function", at)?;
        let f = &self.functions[a.function];
        require(a.words.len() <= f.frame as usize, at, || {
            format!("{} words in a frame of {}", a.words.len(), f.frame)
        })?;
        a.words.iter().try_for_each(|word| self.check_value(word, at))?;
        require((-1..=255).contains(&a.stack_map), at, || format!("stack map index {}", a.stack_map))?;
        let index = if g.has_frame(k) { a.stack_map.max(0) as usize } else { 0 };
        for maps in f.indexed_maps() {
            require(index < maps.maps.len(), at, || format!("there is no bitmap {index} in its stack map"))?;
        }
        require(k > 0 || !f.is_sigpanic(), at, || "nothing has faulted to call sigpanic".into())?;
        if let Some(callee) = g.activations.get(k + 1) {
            let callee = self.functions.get(callee.function);
            let args = callee.map_or(0, Function::argument_words);
            require(args <= f.frame, at, || {
                format!("{args} words of arguments do not fit in a frame of {}", f.frame)
            })?;
            require(!f.leaf || callee.is_some_and(Function::is_sigpanic), at, || {
                "a leaf calls nothing".into()
            })?;
        } else {
            require(!f.leaf || g.stop == Stop::NotStarted, at, || "a leaf calls nothing".into())?;
            require(g.stop != Stop::NilCall || !a.barrier, at, || {
                "the walk takes its barrier for a PC".into()
            })?;
        }
        if !g.has_frame(k) {
            let bits = matches!(&f.locals_map, LocalsMap::Bitmaps(b) if (0..b.bits as usize).any(|i| b.is_set(0, i)));
            require(!bits, at, || "it has no frame yet, but bitmap 0 says that locals are live".into())?;
            require(!a.barrier && a.defers.is_empty(), at, || {
                "it has no frame yet for a barrier or a defer".into()
            })?;
        }
        require(!f.leaf || (!a.barrier && a.defers.is_empty()), at, || {
            "a leaf has no barrier and no defer".into()
        })?;
        a.defers.iter().try_for_each(|defer| self.check_funcval(&defer.fun, at))?;
        if f.describes_own_args() && f.args == ArgsSize::Unknown {
            self.check_reflect_stub(g, k, a, at)?;
        }
        Ok(())
    }

    /// `setArgInfo` takes the arguments of the two stubs from the closure in their frame.
    fn check_reflect_stub(&self, g: &Goroutine, k: usize, a: &Activation, at: &dyn Fn() -> String) -> Check {
        let closure = match a.words.first() {
            Some(&Value::Object { object, offset: Extent::ZERO }) => Some(object),
            _ => None,
        };
        let ok = g.has_frame(k)
            && closure.is_some_and(|object| {
                self.slot_value(object, 0) == Some(&Value::Code(a.function))
                    && matches!(self.slot_value(object, 1), Some(Value::Bitvector(_)))
            });
        require(ok, at, || "its first word must be a closure of its own: entry PC, then bit vector".into())
    }
}

impl Goroutine {
    /// Whether activation `k` has gone through its prologue.
    pub fn has_frame(&self, k: usize) -> bool {
        self.stop.has_frame() || k + 1 < self.activations.len()
    }
}

impl Function {
    /// The stack maps that the index of an activation chooses a bitmap from.
    fn indexed_maps(&self) -> impl Iterator<Item = &super::Bitmaps> {
        let locals = match &self.locals_map {
            LocalsMap::Bitmaps(b) if !b.maps.is_empty() => Some(b),
            _ => None,
        };
        locals.into_iter().chain(&self.args_map)
    }

    /// Whether `setArgInfo` knows the function as one whose frame describes its arguments.
    pub fn describes_own_args(&self) -> bool {
        matches!(self.name.as_deref(), Some("reflect.makeFuncStub" | "reflect.methodValueCall"))
    }

    /// Whether a fault calls it.
    pub fn is_sigpanic(&self) -> bool {
        self.name.as_deref() == Some("runtime.sigpanic")
    }

    /// The words of arguments that are known to lie in the caller's frame.
    fn argument_words(&self) -> u32 {
        match self.args {
            ArgsSize::Words(words) => words,
            ArgsSize::Unknown => self.args_map.as_ref().map_or(0, |maps| maps.bits),
        }
    }
}
