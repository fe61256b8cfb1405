//! What today's runtime does wrong when it dumps itself, each a switch.

/// Which defects of the runtime are repeated: `true` is what the runtime does, `false` what the format means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Defects {
    /// Since Go 1.22 `dumpobjs` takes `npages << PageShift / elemsize` for the number of a span's objects.
    ///
    /// Spans of small objects have their heap bitmap at their end, and since Go 1.26 marks as well, so that there are fewer:
    /// `nelems`. A slot that is no element is not marked as free, and comes out as an object: bitmap and marks, of
    /// 8-byte spans even with pointer fields. Before Go 1.22 the two numbers are the same.
    ///
    /// Off: `nelems` slots of each span are looked at.
    pub slots_beyond_nelems: bool,

    /// `dumpframe`, for a function without a stack map for its locals, lists every word of the frame as a pointer field
    /// from offset `child.arglen` on, as Go 1.5 does
    /// ([`go15::Defects::locals_from_arglen`](crate::Defects::locals_from_arglen)).
    ///
    /// Off: the list starts at `argoff+arglen`, rounded up to a multiple of the pointer size.
    pub locals_from_arglen: bool,

    /// `dumpframe` lists the callee's argument fields without looking at the frame's size, as Go 1.5 does
    /// ([`go15::Defects::args_beyond_frame`](crate::Defects::args_beyond_frame)).
    ///
    /// Off: only those whose word lies whole in the frame's contents are listed.
    pub args_beyond_frame: bool,

    /// `dumpframe` lists the pointers of a frame's stack map (`LocalsPointerMaps`), and leaves out those in variables whose
    /// addresses are taken (`StackObjects`), which the collector finds by following pointers.
    ///
    /// What hangs on such a variable looks unreachable: in a service whose root was on `main`'s stack, 99 % of the heap.
    ///
    /// Off: the pointers in a frame's stack objects are listed after its others, whether something still points to the object or
    /// not; none are where the frame cannot go on. The words of an object that a program describes (some 128 KB and more,
    /// up to Go 1.23) are all listed.
    pub stack_objects_left_out: bool,

    /// `dumpframe` looks up the stack maps of the PC at which a frame stands. A frame that a trap has stopped, whose callee is
    /// `sigpanic`, stands between two calls, where no map holds, and goes on at `continpc`, if at all: where a deferred call
    /// returns. That is where the collector looks (`getStackMap` of stkframe.go). All releases.
    ///
    /// Variables that are dead count as pointers, and those that the deferred call needs are missing.
    ///
    /// Off: the maps are those of `continpc`, and a frame that cannot go on has no pointers.
    pub maps_of_traps: bool,

    /// `dumpframe` lists the pointers of a stack map even of a goroutine that a signal has preempted between two calls, where no
    /// map holds: that of the call before. The collector takes every word of such a frame for a pointer
    /// (`scanframeworker` of mgcmark.go: the callee is `asyncPreempt` or `debugCallV2`). All releases.
    ///
    /// What has been stored since that call is missing: an object that only it refers to looks unreachable.
    ///
    /// Off: every word of such a frame, and of its arguments, is listed.
    pub maps_of_preempted: bool,

    /// The dumping code's own variables are dumped with what the dump itself has put into them: `typecache`, `tmpbuf`, and
    /// since Go 1.22 `m0.pcvalueCache` and `m0.cheaprand`, if `m0` is the thread that dumps. Since Go 1.24 the dump may also be the
    /// first to ask for the mask of a large type, and allocate it: `p.palloc.off` of the P that dumps, in an object of the heap.
    ///
    /// Off: memory as it is in the target.
    pub own_variables_in_bss: bool,
}

impl Defects {
    /// What the format means.
    pub const NONE: Defects = Self::all(false);
    /// What the runtime does.
    pub const ALL: Defects = Self::all(true);

    const fn all(on: bool) -> Defects {
        Defects {
            slots_beyond_nelems: on,
            locals_from_arglen: on,
            args_beyond_frame: on,
            stack_objects_left_out: on,
            maps_of_traps: on,
            maps_of_preempted: on,
            own_variables_in_bss: on,
        }
    }
}
