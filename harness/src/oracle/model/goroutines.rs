//! Goroutines, their defers and their panics.

use heapmatrix_emu::world::{Defer, Goroutine, Status};
use heapmatrix_reader::Record;

use super::{Checked, Kind, Model, compare, next};

/// What a system goroutine starts with. `runfinq` is one only while no finalizer runs.
const SYSTEM: [&str; 5] = [
    "runtime.backgroundgc",
    "runtime.bgsweep",
    "runtime.forcegchelper",
    "runtime.timerproc",
    "runtime.gcBgMarkWorker",
];

impl Model<'_> {
    pub(super) fn goroutines(&mut self) -> Checked {
        for (i, g) in self.world.goroutines.iter().enumerate() {
            if g.status == Status::Dead {
                continue;
            }
            self.goroutine(i, g)?;
            self.frames(i, g)?;
            self.defers(i, g)?;
            self.panics(i, g)?;
        }
        Ok(())
    }

    fn goroutine(&mut self, i: usize, g: &Goroutine) -> Checked {
        let record = next!(self, Goroutine, || format!("goroutine {i}"));
        let at = &self.at.goroutines[i];
        compare!(self, record:
            address = at.g.0,
            sp = at.sp.0,
            id = g.goid as u64,
            creation_pc = self.at.pc(&g.gopc),
            status = u64::from(g.status.code()),
            is_system = self.is_system(g),
            is_background = false,
            wait_since = g.wait_since as u64,
            context = self.at.value(&g.ctxt),
            thread = g.thread.map_or(0, |thread| self.at.threads[thread].0),
            defer = at.defers.first().map_or(0, |defer| defer.addr.0),
            panic = at.panics.last().map_or(0, |panic| panic.0),
        );
        self.text("wait_reason", &g.wait_reason, record.wait_reason)
    }

    fn is_system(&self, g: &Goroutine) -> bool {
        let Some(outermost) = g.activations.first() else { return false };
        match self.world.functions[outermost.function].name.as_deref() {
            Some("runtime.runfinq") => !self.world.fing_running,
            Some(name) => SYSTEM.contains(&name),
            None => false,
        }
    }

    fn defers(&mut self, i: usize, g: &Goroutine) -> Checked {
        let at = self.at;
        let list = &at.goroutines[i].defers;
        for (n, defer) in list.iter().enumerate() {
            let record = next!(self, Defer, || format!("defer {n} of goroutine {i}"));
            let Defer { fun, .. } = g.activations[defer.frame].defers[defer.index];
            let (closure, entry) = self.funcval(fun);
            compare!(self, record:
                address = defer.addr.0,
                goroutine = at.goroutines[i].g.0,
                sp = defer.sp,
                pc = defer.pc.0,
                closure = closure,
                entry = entry,
                link = list.get(n + 1).map_or(0, |next| next.addr.0),
            );
        }
        Ok(())
    }

    fn panics(&mut self, i: usize, g: &Goroutine) -> Checked {
        let at = self.at;
        let list = &at.goroutines[i].panics;
        // The last one raised is the first of the list.
        for (n, panic) in g.panics.iter().enumerate().rev() {
            let record = next!(self, Panic, || format!("panic {n} of goroutine {i}"));
            compare!(self, record:
                address = list[n].0,
                goroutine = at.goroutines[i].g.0,
                argument_type = panic.typ.map_or(0, |typ| at.types[typ].0),
                argument_data = at.value(&panic.data),
                defer = 0u64,
                link = n.checked_sub(1).map_or(0, |before| list[before].0),
            );
        }
        Ok(())
    }
}
