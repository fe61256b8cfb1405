//! A summary for people.

use std::io;
use std::time::Duration;

use super::super::escape::Name;
use super::super::out::{BAD, FAINT, HEAD, NAME, Out};
use super::super::record::status_name;
use super::{Finalizers, GoroutineState, Region, SizeClass, SlotsUnderBitmap, Summary};
use crate::units::{Bytes, Count, Elapsed, Size, Things, Time};

/// How much of what is many is shown.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Object sizes, and groups of goroutines.
    rows: usize,
    /// Frames of a stack.
    frames: usize,
}

impl Limits {
    /// All of it.
    pub const NONE: Self = Self { rows: usize::MAX, frames: usize::MAX };

    /// So many object sizes and groups of goroutines.
    pub fn new(rows: usize) -> Self {
        Self { rows, frames: 25 }
    }
}

/// What is printed of a summary.
#[derive(Debug)]
pub struct Figures<'s> {
    /// The summary.
    pub summary: &'s Summary,
    /// How much of it.
    pub limits: Limits,
    /// When the dump's file was last written, in nanoseconds since 1970, if that is known.
    pub written: Option<u64>,
}

impl Figures<'_> {
    /// Prints all sections.
    pub fn print(&self, out: &mut Out<'_>) -> io::Result<()> {
        self.overview(out)?;
        self.records(out)?;
        self.sizes(out)?;
        self.biggest(out)?;
        self.goroutines(out)?;
        self.statistics(out)
    }

    fn overview(&self, out: &mut Out<'_>) -> io::Result<()> {
        let Summary { params, heap, stack, data, bss, finalizers, .. } = self.summary;
        out.painted_line(
            HEAD,
            format_args!("{} heap dump, {}", self.summary.format, Bytes(self.summary.bytes)),
        )?;
        if !self.summary.missing.is_empty() {
            out.paint(BAD, "incomplete")?;
            let missing = self.summary.missing.join(", ");
            out.line(format_args!("   records that every whole dump has are missing: {missing}"))?;
        }
        let endian = if params.big_endian { "big" } else { "little" };
        let processors = Things(params.ncpu, "processor");
        let (arch, pointer) = (Name(&params.arch.0), params.ptr_size);
        out.line(format_args!(
            "machine      {arch}, {endian}-endian, {pointer}-byte pointers, {processors}"
        ))?;
        if !params.experiment.0.is_empty() {
            out.line(format_args!("runtime      {}", Name(&params.experiment.0)))?;
        }
        out.line(format_args!("heap         {} to {}", params.heap_start, params.heap_end))?;
        let pointers = |count| Things(count, "pointer field");
        // Of what comes before what is missing, none need not be all either.
        let incomplete = !self.summary.missing.is_empty();
        if incomplete && heap.objects == 0 {
            out.line("objects      missing")?;
        } else {
            out.line(format_args!(
                "objects      {}, {}, {}",
                Count(heap.objects),
                Bytes(heap.bytes),
                pointers(heap.pointers)
            ))?;
        }
        if let Some(SlotsUnderBitmap { slots, bytes, undecided, objects }) = &heap.slots_under_bitmap
            && (*slots, *undecided) != (0, 0)
        {
            let (slots, bytes) = (Things(*slots, "slot"), Bytes(*bytes));
            out.text(format_args!(
                "             {} without {slots} under their span's heap bitmap, {bytes}",
                Count(*objects)
            ))?;
            if *undecided > 0 {
                out.text(format_args!("; of {} more it can't be known", Count(*undecided)))?;
            }
            out.end()?;
        }
        if incomplete && stack.frames == 0 {
            out.line("stacks       missing")?;
        } else {
            out.line(format_args!("stacks       {}, {}", Things(stack.frames, "frame"), Bytes(stack.bytes)))?;
        }
        for (name, region) in [("data", data), ("bss", bss)] {
            match region {
                Some(Region { bytes, pointers: count }) => {
                    out.line(format_args!("{name:<12} {}, {}", Bytes(*bytes), pointers(*count)))?;
                }
                None => out.line(format_args!("{name:<12} missing"))?,
            }
        }
        match finalizers {
            None => out.line("finalizers   missing")?,
            Some(Finalizers { set, queued }) => {
                // The statistics follow the last of them.
                let least = if self.summary.memstats.is_empty() { "at least " } else { "" };
                out.line(format_args!("finalizers   {least}{} set, {} queued", Count(*set), Count(*queued)))?;
            }
        }
        self.collections(out)
    }

    fn collections(&self, out: &mut Out<'_>) -> io::Result<()> {
        let stat = |name| self.summary.memstats.get(name).copied();
        let (Some(count), Some(last), Some(paused)) =
            (stat("num_gc"), stat("last_gc"), stat("pause_total_ns"))
        else {
            return out.line("collections  missing");
        };
        let paused = Elapsed(Duration::from_nanos(paused));
        out.line(format_args!("collections  {}, which stopped the world for {paused}", Count(count)))?;
        if last == 0 {
            return Ok(());
        }
        out.text(format_args!("last GC      {}", Time(last)))?;
        // Only a file that nobody has touched since tells anything.
        if let Some(age) =
            self.written.and_then(|written| written.checked_sub(last)).map(Duration::from_nanos)
            && age < Duration::from_secs(3_600)
        {
            out.text(format_args!(", {} before the file was written", Elapsed(age)))?;
        }
        out.end()
    }

    fn records(&self, out: &mut Out<'_>) -> io::Result<()> {
        out.end()?;
        out.painted_line(HEAD, format_args!("{:<16} {:>12}", "kind", "records"))?;
        let there = self.summary.records.iter().filter(|&(_, &count)| count > 0);
        there
            .into_iter()
            .try_for_each(|(kind, &count)| out.line(format_args!("{kind:<16} {:>12}", Count(count))))
    }

    fn sizes(&self, out: &mut Out<'_>) -> io::Result<()> {
        let heap = &self.summary.heap;
        if heap.sizes.is_empty() {
            return Ok(());
        }
        out.end()?;
        out.painted_line(
            HEAD,
            format_args!("{:<16} {:>12} {:>18} {:>7}", "object size", "objects", "bytes", "share"),
        )?;
        let mut classes: Vec<&SizeClass> = heap.sizes.iter().collect();
        classes.sort_by_key(|class| (std::cmp::Reverse(class.bytes), class.size));
        let shown = self.shown(classes.len());
        let mut row = |name: String, objects: u64, bytes: u64| {
            let share = if heap.bytes > 0 { bytes as f64 * 100.0 / heap.bytes as f64 } else { 0.0 };
            out.line(format_args!("{name:<16} {:>12} {:>18} {share:>6.1}%", Count(objects), Count(bytes)))
        };
        for class in &classes[..shown] {
            row(Count(class.size).to_string(), class.objects, class.bytes)?;
        }
        let rest = &classes[shown..];
        if !rest.is_empty() {
            let bytes = rest.iter().fold(0, |sum: u64, class| sum.saturating_add(class.bytes));
            let objects = rest.iter().map(|class| class.objects).sum();
            row(Things(rest.len() as u64, "other size").to_string(), objects, bytes)?;
        }
        Ok(())
    }

    /// How many of so many rows are shown. A row that says that one is not shown could as well be that one.
    fn shown(&self, rows: usize) -> usize {
        if rows <= self.limits.rows.saturating_add(1) { rows } else { self.limits.rows }
    }

    fn biggest(&self, out: &mut Out<'_>) -> io::Result<()> {
        let biggest = &self.summary.heap.biggest;
        if biggest.is_empty() {
            return Ok(());
        }
        out.end()?;
        out.painted_line(HEAD, format_args!("{:<18} {:>18}", "biggest objects", "bytes"))?;
        biggest.iter().take(self.limits.rows).try_for_each(|object| {
            out.line(format_args!("{:<18} {:>18}", object.address, Count(object.size)))
        })
    }

    fn goroutines(&self, out: &mut Out<'_>) -> io::Result<()> {
        let groups = &self.summary.goroutines;
        let shown = self.shown(groups.len());
        for group in &groups[..shown] {
            let GoroutineState { status, wait_reason, stack } = &*group.state;
            let count = Things(group.count, "goroutine");
            out.end()?;
            out.paint(HEAD, format_args!("{count} "))?;
            match status_name(*status) {
                Some("syscall") => out.paint(HEAD, "in a system call")?,
                Some(name) => out.paint(HEAD, name)?,
                None => out.paint(HEAD, format_args!("in the unknown state {status}"))?,
            }
            // Only of a waiting goroutine is the reason current, and the text is the program's own.
            if *status == 4 {
                out.paint(HEAD, format_args!(": {}", Name(&wait_reason.0)))?;
            }
            out.end()?;
            for function in stack.iter().take(self.limits.frames) {
                out.text("    ")?;
                out.paint(NAME, Name(&function.0))?;
                out.end()?;
            }
            let more = stack.len().saturating_sub(self.limits.frames) as u64;
            if more > 0 {
                out.painted_line(FAINT, format_args!("    … {} (--all)", Things(more, "more frame")))?;
            }
        }
        let rest = &groups[shown..];
        if !rest.is_empty() {
            let count = rest.iter().map(|group| group.count).sum();
            out.end()?;
            let (more, others) = (Things(count, "more goroutine"), Things(rest.len() as u64, "other state"));
            out.painted_line(FAINT, format_args!("{more} in {others} (--all)"))?;
        }
        Ok(())
    }

    fn statistics(&self, out: &mut Out<'_>) -> io::Result<()> {
        if self.summary.memstats.is_empty() {
            return Ok(());
        }
        out.end()?;
        out.painted_line(HEAD, format_args!("{:<16} {:>26}", "memstats", "value"))?;
        self.summary.memstats.iter().try_for_each(|(&name, &value)| {
            out.text(format_args!("{name:<16} {:>26}", Count(value)))?;
            let reading = match name {
                "last_gc" if value > 0 => Time(value).to_string(),
                "last_gc" => "never".to_owned(),
                "pause_total_ns" => Elapsed(Duration::from_nanos(value)).to_string(),
                // The counts, and what is small.
                "nlookup" | "nmalloc" | "nfree" | "heap_objects" | "num_gc" => return out.end(),
                _ if value < 1024 => return out.end(),
                _ => Size(value).to_string(),
            };
            out.paint(FAINT, format_args!("  {reading}"))?;
            out.end()
        })
    }
}
