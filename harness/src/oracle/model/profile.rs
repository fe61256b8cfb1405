//! Statistics and the memory profile.

use heapmatrix_emu::world::Pc;
use heapmatrix_reader::{Record, Text};

use super::{Checked, Kind, Model, compare, next};

impl<'a> Model<'a> {
    pub(super) fn memstats(&mut self) -> Checked {
        let record = next!(self, MemStats, || "the memory statistics".into());
        let found = [
            record.alloc,
            record.total_alloc,
            record.sys,
            record.lookups,
            record.mallocs,
            record.frees,
            record.heap_alloc,
            record.heap_sys,
            record.heap_idle,
            record.heap_inuse,
            record.heap_released,
            record.heap_objects,
            record.stack_inuse,
            record.stack_sys,
            record.mspan_inuse,
            record.mspan_sys,
            record.mcache_inuse,
            record.mcache_sys,
            record.buckhash_sys,
            record.gc_sys,
            record.other_sys,
            record.next_gc,
            record.last_gc,
            record.pause_total_ns,
        ];
        let stats = &self.world.memstats;
        for ((name, expected), found) in stats.counters().zip(found) {
            self.same(name, expected, found)?;
        }
        let pauses: [u64; 256] = std::array::from_fn(|i| stats.pause_ns.get(i).copied().unwrap_or(0));
        self.tell("pause_ns", || pauses.as_slice().into());
        for (i, (expected, found)) in pauses.into_iter().zip(record.pause_ns).enumerate() {
            self.equal(&format!("pause_ns[{i}]"), expected, found)?;
        }
        self.same("num_gc", u64::from(stats.numgc), record.num_gc)
    }

    pub(super) fn memprof(&mut self) -> Checked {
        for (i, bucket) in self.world.buckets.iter().enumerate() {
            let record = next!(self, MemProf, || format!("bucket {i}"));
            compare!(self, record:
                address = self.at.buckets[i].0,
                size = self.at.truncate(bucket.size),
                allocs = self.at.truncate(bucket.allocs),
                frees = self.at.truncate(bucket.frees),
            );
            let stack: Vec<(String, &str, u64)> =
                bucket.stack.iter().enumerate().map(|(n, pc)| self.call(pc, n == 0)).collect();
            self.tell("stack", || serde_json::json!(stack));
            self.equal("stack.depth", stack.len() as u64, record.stack.depth())?;
            for (n, ((function, file, line), call)) in stack.into_iter().zip(record.stack).enumerate() {
                self.equal(&format!("stack[{n}].function"), Text::from(&*function), call.function)?;
                self.equal(&format!("stack[{n}].file"), Text::from(file), call.file)?;
                self.equal(&format!("stack[{n}].line"), line, call.line)?;
            }
        }
        Ok(())
    }

    /// What the profile says of a PC: function, file and line.
    fn call(&self, pc: &Pc, innermost: bool) -> (String, &'a str, u64) {
        let world = self.world;
        let (function, line) = match *pc {
            Pc::Zero | Pc::Unknown(_) => return (format!("({:#x})", self.at.pc(pc)), "?", 0),
            Pc::Entry(function) => (function, world.functions[function].line),
            Pc::Return { goroutine, frame } => {
                let at = &self.at.goroutines[goroutine].frames[frame];
                let activation = &world.goroutines[goroutine].activations[frame];
                let function = &world.functions[activation.function];
                // Callers are looked up at the call, which comes before the PC that it returns to.
                let line = match innermost {
                    _ if at.pc == at.entry => function.line,
                    true => activation.line + 1,
                    false => activation.line,
                };
                (activation.function, line)
            }
        };
        let function = &world.functions[function];
        let name = function.name.clone().unwrap_or_default();
        match &function.file {
            Some(file) => (name, file, line.into()),
            None => (name, "?", 0),
        }
    }
}
