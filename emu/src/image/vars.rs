//! The runtime's variables.

use super::facts::FactError;
use super::section::{In, Sections};
use crate::world::World;

/// The addresses of the runtime's variables that a dump or the guest program needs; nil for those
/// that the image does not have.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Vars {
    pub mheap: u64,
    pub h_allspans: u64,
    pub h_spans: u64,
    pub allgs: u64,
    pub allglen: u64,
    pub allm: u64,
    pub memstats: u64,
    pub firstmoduledata: u64,
    pub allfin: u64,
    pub finq: u64,
    pub finc: u64,
    pub fing_running: u64,
    pub mbuckets: u64,
    pub itab_hash: u64,
    pub ncpu: u64,
    pub goexperiment: u64,
    pub framepointer_enabled: u64,
    pub typecache: u64,
    pub tmpbuf: u64,
    pub buf: u64,
    pub nbuf: u64,
    pub dumpfd: u64,
    pub freemark: u64,
    /// The world's words of the data segment.
    pub data: u64,
    /// The world's words of the bss segment.
    pub bss: u64,
    /// The end of the bss segment.
    pub ebss: u64,
    /// The first thread's `m`, where that lies in bss.
    pub m0: u64,
    /// Room for the string headers of type names, if they lie in front of bss.
    pub type_names: u64,
}

impl Vars {
    /// Reserves the variables and gives values to those that stay as they are.
    pub fn place(world: &World, sections: &mut Sections) -> Result<Vars, FactError> {
        let type_names = match world.dumper_state {
            true => sections.reserve_words(In::Bss, 4 * world.types.len() as u64),
            false => 0,
        };
        let data = sections.reserve_words(In::Data, world.data.len() as u64);
        let bss = sections.reserve_words(In::Bss, world.bss.len() as u64);
        let mut vars = Vars {
            mheap: sections.reserve_structure(In::NoptrBss, "runtime.mheap")?,
            h_allspans: sections.reserve_structure(In::NoptrBss, "runtime.slice")?,
            h_spans: sections.reserve_structure(In::NoptrBss, "runtime.slice")?,
            allgs: sections.reserve_structure(In::NoptrBss, "runtime.slice")?,
            allglen: sections.reserve_words(In::NoptrBss, 1),
            allm: sections.reserve_words(In::NoptrBss, 1),
            memstats: sections.reserve_structure(In::NoptrBss, "runtime.mstats")?,
            firstmoduledata: sections.reserve_structure(In::NoptrData, "runtime.moduledata")?,
            allfin: sections.reserve_words(In::NoptrBss, 1),
            finq: sections.reserve_words(In::NoptrBss, 1),
            finc: sections.reserve_words(In::NoptrBss, 1),
            fing_running: sections.reserve(In::NoptrBss, 1, 1),
            framepointer_enabled: sections.reserve(In::NoptrBss, 1, 1),
            mbuckets: sections.reserve_words(In::NoptrBss, 1),
            itab_hash: sections.reserve_words(In::NoptrBss, crate::world::ITAB_BUCKETS as u64),
            ncpu: sections.reserve(In::NoptrBss, 4, 4),
            goexperiment: sections.reserve_structure(In::NoptrData, "runtime.stringStruct")?,
            data,
            bss,
            ebss: sections.end(In::Bss),
            type_names,
            ..Vars::default()
        };
        if world.dumper_state {
            let ptr_size = sections.target.ptr_size();
            let bucket = sections.layouts.size("runtime.typeCacheBucket")?;
            let m = sections.layouts.size("runtime.m")?;
            let slice = sections.layouts.size("runtime.slice")?;
            vars.typecache = sections.reserve(In::Bss, 256 * bucket, ptr_size);
            vars.m0 = sections.reserve(In::Bss, m, ptr_size);
            vars.tmpbuf = sections.reserve(In::Bss, slice, ptr_size);
            vars.ebss = sections.end(In::Bss);
            // noptrbss follows bss without a gap. Here only what the dump itself changes has to.
            vars.buf = sections.reserve(In::Bss, 4096, 8);
            vars.nbuf = sections.reserve_words(In::Bss, 1);
            vars.dumpfd = sections.reserve_words(In::Bss, 1);
            vars.freemark = sections.reserve(In::Bss, 1024, 1);
        }
        sections.put(vars.ncpu, 4, world.ncpu as u64);
        sections.put(vars.framepointer_enabled, 1, world.framepointer.into());
        sections.put(vars.fing_running, 1, world.fing_running.into());
        let (text, len) = sections.string(&world.goexperiment);
        sections.fill("runtime.stringStruct", vars.goexperiment, &[("str", text), ("len", len)])?;
        Ok(vars)
    }

    /// The pointer mask of bss after the world's words: all of `typecache`, nothing of `m0`, and the array
    /// of `tmpbuf` but not its length and capacity.
    pub fn bss_tail_mask(&self, sections: &Sections) -> impl Iterator<Item = bool> + use<> {
        let end = if self.typecache == 0 { 0 } else { self.ebss };
        let words = (self.typecache..end).step_by(sections.target.ptr_size() as usize);
        let (m0, tmpbuf) = (self.m0, self.tmpbuf);
        words.map(move |at| at < m0 || at == tmpbuf)
    }
}
