//! What must be in the objects, frames and segments of an image whose program has run, from the world
//! and the locations alone.

use super::locations::{FrameAt, Locations};
use super::section::encode;
use crate::world::{Contents, Slot, World};

impl Locations {
    /// The bytes of an object's slot.
    pub fn object_contents(&self, world: &World, object: usize) -> Vec<u8> {
        let mut bytes = match &world.objects[object].contents {
            Contents::Bytes { len, pattern } => pattern.iter().copied().cycle().take(*len as usize).collect(),
            Contents::Words { slots, .. } => self.slots(slots),
        };
        bytes.resize(self.objects[object].size as usize, 0);
        bytes
    }

    /// The bytes of the data segment.
    pub fn data_contents(&self, world: &World) -> Vec<u8> {
        self.slots(&world.data)
    }

    /// The bytes of the bss segment before a dump has changed any.
    pub fn bss_contents(&self, world: &World) -> Vec<u8> {
        let mut bytes = self.slots(&world.bss);
        bytes.extend_from_slice(&self.behind_bss);
        bytes
    }

    /// The bytes of a frame, from SP to the caller's SP.
    pub fn frame_contents(&self, world: &World, goroutine: usize, frame: usize) -> Vec<u8> {
        let g = &world.goroutines[goroutine];
        let at = &self.goroutines[goroutine];
        let f = &at.frames[frame];
        let mut contents = FrameContents::new(self, f);
        if g.has_frame(frame) {
            for (i, value) in g.activations[frame].words.iter().enumerate() {
                contents.put(f.words.0 + i as u64 * self.target.ptr_size(), self.value(value));
            }
        }
        if let Some((slot, bp)) = f.saved_bp {
            contents.put(slot.0, bp.0);
        }
        if let Some(slot) = f.return_slot {
            let caller = match frame.checked_sub(1) {
                Some(caller) => Some(&at.frames[caller]),
                None => at.bottom.as_ref(),
            };
            let return_pc = match g.activations[frame].barrier {
                true => self.stack_barrier.0,
                false => caller.map_or(0, |caller| caller.pc.0),
            };
            contents.put(slot.0, return_pc);
        }
        contents.bytes
    }

    /// The bytes of the frame at the bottom of a stack: without a link register, the first argument of the
    /// outermost activation.
    pub fn bottom_contents(&self, world: &World, goroutine: usize) -> Vec<u8> {
        let Some(bottom) = &self.goroutines[goroutine].bottom else { return Vec::new() };
        let mut contents = FrameContents::new(self, bottom);
        if let (false, Some(arg)) = (contents.bytes.is_empty(), world.goroutines[goroutine].args.first()) {
            contents.put(bottom.sp.0, self.value(arg));
        }
        contents.bytes
    }

    fn slots(&self, slots: &[Slot]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(slots.len() * 8);
        for slot in slots {
            let (digits, len) = encode(self.target, self.target.ptr_size(), self.value(slot.value()));
            bytes.extend_from_slice(&digits[..len]);
        }
        bytes
    }
}

struct FrameContents<'a> {
    locations: &'a Locations,
    sp: u64,
    bytes: Vec<u8>,
}

impl<'a> FrameContents<'a> {
    fn new(locations: &'a Locations, frame: &FrameAt) -> Self {
        FrameContents { locations, sp: frame.sp.0, bytes: vec![0; (frame.fp.0 - frame.sp.0) as usize] }
    }

    fn put(&mut self, addr: u64, value: u64) {
        let target = self.locations.target;
        let (digits, len) = encode(target, target.ptr_size(), value);
        self.bytes[(addr - self.sp) as usize..][..len].copy_from_slice(&digits[..len]);
    }
}
