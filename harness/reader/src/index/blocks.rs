//! Objects by address in little memory: those of one size that lie side by side, as in a span, are a block.

use super::entries::Entries;
use crate::wire::uvarint_length;

/// Up to 64 objects of one size, each in a slot of that size. Slots without an object are in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// The address of slot 0, which has an object.
    pub start: u64,
    /// The size of a slot, in bytes.
    pub size: u64,
    /// The slots that have an object, a bit each.
    pub present: u64,
    /// Those whose object has fields.
    pub fields: u64,
    /// The offset of the first object's record.
    pub offset: u64,
    /// The number of the first object.
    pub first: u64,
}

impl Block {
    /// How many slots the bits of [`present`](Self::present) have.
    const SLOTS: u64 = 64;

    fn address(&self, slot: u32) -> u64 {
        self.start.wrapping_add(self.size.wrapping_mul(slot.into()))
    }

    /// The address of the last object.
    fn last(&self) -> u64 {
        self.address(63 - self.present.leading_zeros())
    }

    fn count(&self) -> u64 {
        self.present.count_ones().into()
    }

    /// The slots that have an object.
    fn slots(&self) -> impl Iterator<Item = u32> + use<> {
        let next = |&slots: &u64| Some(slots & slots.wrapping_sub(1));
        std::iter::successors(Some(self.present), next)
            .take_while(|&slots| slots != 0)
            .map(u64::trailing_zeros)
    }

    /// The slot of the object that has a number in this block.
    #[inline]
    fn slot(&self, number: u64) -> u32 {
        // Mostly no slot is free.
        if self.present & self.present.wrapping_add(1) == 0 {
            return number as u32;
        }
        let mut slots = self.present;
        for _ in 0..number {
            slots &= slots - 1;
        }
        slots.trailing_zeros()
    }
}

/// An object as the blocks have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub address: u64,
    /// The offset of its record.
    pub offset: u64,
    pub size: u64,
    /// Whether it has fields.
    pub fields: bool,
}

/// All objects of a dump, numbered in the order of their addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Blocks {
    blocks: Vec<Block>,
    /// How far after that of its block each object's record starts.
    offsets: Vec<u32>,
    /// The blocks of every [`STRIDE`]th object.
    strides: Vec<u32>,
    /// The first block of each of the parts into which the addresses are cut, 2^`shift` bytes long; then the number of
    /// blocks. A look-up searches one part.
    parts: Vec<u32>,
    shift: u32,
}

/// See [`Blocks::strides`].
const STRIDE: usize = 16;

/// Adds up blocks while a dump is read.
#[derive(Default)]
pub(super) struct Builder {
    blocks: Vec<Block>,
    offsets: Vec<u32>,
    /// The slot after the last object's, and its address.
    next: (u64, u64),
}

/// So many blocks may be of few objects.
const FEW: usize = 1024;

impl Builder {
    /// Whether the blocks have so few objects that these take less memory one by one.
    pub fn is_sparse(&self) -> bool {
        self.blocks.len() > FEW && self.blocks.len() > self.offsets.len() / 8
    }

    /// Adds the next object.
    #[inline]
    pub fn push(&mut self, place: Place) {
        grow(&mut self.offsets);
        if let Some((slot, offset)) = self.next_slot(&place) {
            let block = self.blocks.last_mut().expect("that slot is in it");
            block.present |= 1 << slot;
            block.fields |= u64::from(place.fields) << slot;
            self.offsets.push(offset);
            self.next = (slot + 1, place.address.wrapping_add(place.size));
            return;
        }
        let Place { address, offset, size, fields } = place;
        grow(&mut self.blocks);
        let first = self.offsets.len() as u64;
        self.blocks.push(Block { start: address, size, present: 1, fields: fields.into(), offset, first });
        self.offsets.push(0);
        self.next = (1, address.wrapping_add(size));
    }

    /// The slot of the last block where an object is, and how far its record is from the block's; `None` if it is of
    /// another one.
    #[inline]
    fn next_slot(&self, place: &Place) -> Option<(u64, u32)> {
        let block = self.blocks.last().filter(|block| block.size == place.size && place.size > 0)?;
        let offset = u32::try_from(place.offset.checked_sub(block.offset)?).ok()?;
        let (next, address) = self.next;
        let slot = if place.address == address && address > block.start {
            next
        } else {
            let distance = place.address.checked_sub(block.start)?;
            let slot = distance / place.size;
            (slot >= next && slot * place.size == distance).then_some(slot)?
        };
        (slot < Block::SLOTS).then_some((slot, offset))
    }

    /// The objects in the order of their addresses; one by one if blocks would take more memory, or overlap.
    pub fn finish(mut self) -> Result<Blocks, Entries> {
        // Objects are in the order of their spans, so that whole blocks change places.
        if !self.is_sorted() {
            self.blocks.sort_unstable_by_key(|block| (block.start, block.offset));
            self.renumber();
            if !self.is_sorted() {
                return Err(self.into_entries());
            }
        }
        let Self { mut blocks, mut offsets, .. } = self;
        blocks.shrink_to_fit();
        offsets.shrink_to_fit();
        let mut blocks = Blocks { blocks, offsets, ..Blocks::default() };
        blocks.divide();
        Ok(blocks)
    }

    /// Whether each block is after the one before, or is of a single object at the same address.
    fn is_sorted(&self) -> bool {
        self.blocks.is_sorted_by(|before, block| {
            before.last() < block.start
                || (before.start, before.present) == (block.start, 1) && before.offset < block.offset
        })
    }

    fn renumber(&mut self) {
        let mut offsets = Vec::with_capacity(self.offsets.len());
        for block in &mut self.blocks {
            let first = block.first as usize;
            block.first = offsets.len() as u64;
            offsets.extend_from_slice(&self.offsets[first..first + block.count() as usize]);
        }
        self.offsets = offsets;
    }

    /// The objects, one by one.
    pub fn into_entries(self) -> Entries {
        let mut entries = Entries::with_capacity(self.offsets.len());
        for block in &self.blocks {
            for (slot, id) in block.slots().zip(block.first..) {
                entries.push(Place {
                    address: block.address(slot),
                    offset: block.offset + u64::from(self.offsets[id as usize]),
                    size: block.size,
                    // Entries look for them in the dump.
                    fields: false,
                });
            }
        }
        entries
    }
}

/// Makes room by an eighth and not twofold: while it moves it is there twice, and an object may be four bytes of input.
#[inline]
pub(super) fn grow<T>(values: &mut Vec<T>) {
    if values.len() == values.capacity() {
        values.reserve_exact(values.len() / 8 + 64);
    }
}

impl Blocks {
    /// Makes what look-ups start from.
    fn divide(&mut self) {
        // More blocks than 32 bits can number are searched as a whole.
        let ([first, ..], [.., last], Ok(count)) =
            (&self.blocks[..], &self.blocks[..], u32::try_from(self.blocks.len()))
        else {
            return;
        };
        let (first, span) = (first.start, last.start - first.start);
        let most = 2 * u64::from(count);
        self.shift = (0..64).find(|shift| span >> shift < most).unwrap_or(63);
        self.parts.reserve_exact((span >> self.shift) as usize + 2);
        self.strides.reserve_exact(self.offsets.len().div_ceil(STRIDE));
        for (number, block) in (0..count).zip(&self.blocks) {
            let part = ((block.start - first) >> self.shift) as usize;
            // Empty parts before this one start here as well.
            if part >= self.parts.len() {
                self.parts.resize(part + 1, number);
            }
            let end = (block.first + block.count()) as usize;
            self.strides.resize(end.div_ceil(STRIDE), number);
        }
        self.parts.push(count);
    }

    /// The number of objects.
    pub fn len(&self) -> usize {
        self.offsets.len()
    }

    /// What the blocks are made of.
    pub fn parts(&self) -> (Vec<[u64; 5]>, &[u32]) {
        let block = |block: &Block| [block.start, block.size, block.present, block.fields, block.offset];
        (self.blocks.iter().map(block).collect(), &self.offsets)
    }

    /// The blocks that are made of this; `None` if it is not what [`parts`](Self::parts) gives, with objects within a dump
    /// of so many bytes.
    pub fn from_parts(parts: &[[u64; 5]], offsets: Vec<u32>, length: u64) -> Option<Self> {
        let mut blocks = Vec::with_capacity(parts.len());
        let mut first = 0;
        for &[start, size, present, fields, offset] in parts {
            let block = Block { start, size, present, fields, offset, first };
            let of_block = offsets.get(usize::try_from(first).ok()?..)?.get(..block.count() as usize)?;
            let slots = u64::from(64 - present.leading_zeros());
            let last = start.checked_add(size.checked_mul(slots.checked_sub(1)?)?)?;
            let shape = present & 1 != 0 && fields & !present == 0 && (size > 0 || present == 1);
            // A tag, an address, a size, the contents, and the end of a list.
            let head = 1 + uvarint_length(last) + uvarint_length(size);
            let end = offset
                .checked_add((*of_block.iter().max()?).into())?
                .checked_add(head + 1)?
                .checked_add(size)?;
            if !shape || of_block[0] != 0 || end > length {
                return None;
            }
            blocks.push(block);
            first += block.count();
        }
        let whole = Builder { blocks, offsets, next: (0, 0) };
        if first != whole.offsets.len() as u64 || !whole.is_sorted() {
            return None;
        }
        let mut blocks = Self { blocks: whole.blocks, offsets: whole.offsets, ..Self::default() };
        blocks.divide();
        Some(blocks)
    }

    /// The block of an object.
    #[inline]
    fn block_of(&self, id: usize) -> &Block {
        let Some(&stride) = self.strides.get(id / STRIDE) else { return self.searched(id) };
        let mut blocks = self.blocks[stride as usize..].iter();
        let mut block = blocks.next().expect("a stride has a block");
        while let Some(next) = blocks.next()
            && next.first <= id as u64
        {
            block = next;
        }
        block
    }

    #[cold]
    fn searched(&self, id: usize) -> &Block {
        assert!(id < self.len(), "object {id} of {}", self.len());
        &self.blocks[self.blocks.partition_point(|block| block.first <= id as u64) - 1]
    }

    /// An object.
    #[inline]
    pub fn place(&self, id: usize) -> Place {
        let block = self.block_of(id);
        let slot = block.slot(id as u64 - block.first);
        Place {
            address: block.address(slot),
            offset: block.offset + u64::from(self.offsets[id]),
            size: block.size,
            fields: block.fields >> slot & 1 != 0,
        }
    }

    /// An object's address.
    #[inline]
    pub fn address(&self, id: usize) -> u64 {
        let block = self.block_of(id);
        block.address(block.slot(id as u64 - block.first))
    }

    /// Whether an object has fields.
    #[inline]
    pub fn has_fields(&self, id: usize) -> bool {
        let block = self.block_of(id);
        block.fields >> block.slot(id as u64 - block.first) & 1 != 0
    }

    /// An object's size.
    #[inline]
    pub fn size(&self, id: usize) -> u64 {
        self.block_of(id).size
    }

    /// The object in which an address is, and how far in it.
    #[inline]
    pub fn find(&self, address: u64) -> Option<(usize, u64)> {
        let behind = address.checked_sub(self.blocks.first()?.start)?;
        let candidates = if self.parts.is_empty() {
            0..self.blocks.len()
        } else {
            let part = usize::try_from(behind >> self.shift).unwrap_or(usize::MAX).min(self.parts.len() - 2);
            self.parts[part] as usize..self.parts[part + 1] as usize
        };
        let first = candidates.start;
        let not_after = self.blocks[candidates].partition_point(|block| block.start <= address);
        // The last block of an earlier part if all of this one are after the address.
        let block = &self.blocks[(first + not_after).checked_sub(1)?];
        let distance = address - block.start;
        // Divisions of 32 bits take half the time.
        let slot = match (u32::try_from(distance), u32::try_from(block.size)) {
            (Ok(distance), Ok(size)) => distance.checked_div(size)?.into(),
            _ => distance.checked_div(block.size)?,
        };
        if slot >= Block::SLOTS || block.present >> slot & 1 == 0 {
            return None;
        }
        let before = block.present & ((1 << slot) - 1);
        Some(((block.first + u64::from(before.count_ones())) as usize, distance - slot * block.size))
    }
}

#[cfg(test)]
mod tests;
