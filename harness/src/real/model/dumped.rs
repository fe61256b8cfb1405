//! A dump's records, sorted out.

use heapmatrix_reader::{
    AllocSample, Defer, Dump, Error, Finalizer, Goroutine, Itab, MemProf, MemStats, OsThread, Panic, Record,
    Segment, StackFrame, Type,
};

/// The records of a dump, but for its objects.
#[derive(Default)]
pub struct Dumped<'a> {
    pub itabs: Vec<Itab>,
    pub types: Vec<Type<'a>>,
    pub goroutines: Vec<Stack<'a>>,
    pub threads: Vec<OsThread>,
    pub data: Option<Segment<'a>>,
    pub bss: Option<Segment<'a>>,
    pub finalizers: Vec<Finalizer>,
    pub queued: Vec<Finalizer>,
    pub statistics: Option<Box<MemStats>>,
    pub profile: Vec<MemProf<'a>>,
    pub samples: Vec<AllocSample>,
}

/// A goroutine and what follows it.
pub struct Stack<'a> {
    pub goroutine: Goroutine<'a>,
    pub frames: Vec<StackFrame<'a>>,
    pub defers: Vec<Defer>,
    pub panics: Vec<Panic>,
}

impl<'a> Dumped<'a> {
    pub fn read(dump: Dump<'a>) -> Result<Self, Error> {
        let mut all = Self::default();
        for record in dump.records() {
            match record?.1 {
                Record::Itab(itab) => all.itabs.push(itab),
                Record::Type(typ) => all.types.push(typ),
                Record::Goroutine(goroutine) => {
                    let (frames, defers, panics) = (Vec::new(), Vec::new(), Vec::new());
                    all.goroutines.push(Stack { goroutine, frames, defers, panics });
                }
                Record::StackFrame(frame) => all.last(|stack| stack.frames.push(frame)),
                Record::Defer(defer) => all.last(|stack| stack.defers.push(defer)),
                Record::Panic(panic) => all.last(|stack| stack.panics.push(panic)),
                Record::OsThread(thread) => all.threads.push(thread),
                Record::Data(segment) => all.data = Some(segment),
                Record::Bss(segment) => all.bss = Some(segment),
                Record::Finalizer(finalizer) => all.finalizers.push(finalizer),
                Record::QueuedFinalizer(finalizer) => all.queued.push(finalizer),
                Record::MemStats(statistics) => all.statistics = Some(statistics),
                Record::MemProf(bucket) => all.profile.push(bucket),
                Record::AllocSample(sample) => all.samples.push(sample),
                Record::Params(_) | Record::Object(_) | Record::OtherRoot(_) | Record::Eof => {}
            }
        }
        Ok(all)
    }

    /// What has no goroutine before it is the laws' concern.
    fn last(&mut self, put: impl FnOnce(&mut Stack<'a>)) {
        if let Some(stack) = self.goroutines.last_mut() {
            put(stack);
        }
    }
}
