//! Objects, and what hangs on them: finalizers and samples.

use heapmatrix_emu::world::{Contents, Finalizer};
use heapmatrix_reader::Record;

use super::{Checked, Kind, Model, compare, next};

impl Model<'_> {
    /// The live objects in the order of the dump: by span as `h_allspans` has them, then by address.
    pub(super) fn heap_order(&self) -> Vec<usize> {
        let world = self.world;
        let mut spans: Vec<(u64, usize)> = self.at.spans.iter().map(|s| s.0).zip(0..).collect();
        spans.sort_unstable();
        let place = |addr: u64| match spans.partition_point(|&(start, _)| start <= addr) {
            0 => usize::MAX,
            after => spans[after - 1].1,
        };
        let mut live: Vec<(usize, u64, usize)> = (0..world.objects.len())
            .filter(|&i| world.objects[i].freed_after.is_none())
            .map(|i| (place(self.at.objects[i].addr.0), self.at.objects[i].addr.0, i))
            .collect();
        live.sort_unstable();
        live.into_iter().map(|(_, _, i)| i).collect()
    }

    pub(super) fn objects(&mut self, order: &[usize]) -> Checked {
        for &i in order {
            let record = next!(self, Object, || format!("object {i}"));
            self.same("address", self.at.objects[i].addr.0, record.address)?;
            self.contents(&self.at.object_contents(self.world, i), record.contents)?;
            let slots = match &self.world.objects[i].contents {
                Contents::Bytes { .. } => &[][..],
                Contents::Words { slots, .. } => slots,
            };
            self.fields(self.pointer_slots(slots), record.fields)?;
            self.tally.objects += 1;
        }
        Ok(())
    }

    /// Registered finalizers, then queued ones.
    pub(super) fn finalizers(&mut self, order: &[usize]) -> Checked {
        for &i in order {
            if let Some(finalizer) = self.world.objects[i].finalizer {
                let record = next!(self, Finalizer, || format!("finalizer of object {i}"));
                let object = self.at.objects[i].addr.0 + u64::from(self.world.objects[i].finalizer_at);
                self.finalizer(object, finalizer, record)?;
            }
        }
        for &i in &self.at.queued {
            let queued = self.world.queued[i];
            let record = next!(self, QueuedFinalizer, || format!("queued finalizer {i}"));
            self.finalizer(self.at.value(&queued.object), queued.finalizer, record)?;
        }
        Ok(())
    }

    fn finalizer(
        &mut self,
        object: u64,
        finalizer: Finalizer,
        record: heapmatrix_reader::Finalizer,
    ) -> Checked {
        let (closure, entry) = self.funcval(finalizer.fun);
        let typ = |t: Option<usize>| t.map_or(0, |t| self.at.types[t].0);
        compare!(self, record:
            object = object,
            closure = closure,
            entry = entry,
            argument_type = typ(finalizer.fint),
            object_type = typ(finalizer.ot),
        );
        Ok(())
    }

    pub(super) fn samples(&mut self, order: &[usize]) -> Checked {
        for &i in order {
            if let Some(bucket) = self.world.objects[i].sample {
                let record = next!(self, AllocSample, || format!("sample of object {i}"));
                compare!(self, record:
                    object = self.at.objects[i].addr.0,
                    bucket = self.at.buckets[bucket].0,
                );
            }
        }
        Ok(())
    }
}
