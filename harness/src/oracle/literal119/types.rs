//! `runtime/type.go` and `internal/abi/type.go`: what a type is called, and its mask.

use super::{R, Runtime, throw};

const TFlagUncommon: u64 = 1 << 0;
const TFlagExtraStar: u64 = 1 << 1;
const TFlagNamed: u64 = 1 << 2;
const TFlagGCMaskOnDemand: u64 = 1 << 4; // since Go 1.24
const TFlagDirectIface: u64 = 1 << 5; // since Go 1.26
const KindDirectIface: u64 = 1 << 5; // up to Go 1.25
const KindMask: u64 = (1 << 5) - 1;

const Array: u64 = 17;
const Chan: u64 = 18;
const Func: u64 = 19;
const Interface: u64 = 20;
const Map: u64 = 21;
const Pointer: u64 = 22;
const Slice: u64 = 23;
const Struct: u64 = 25;

impl Runtime<'_> {
    fn TFlag(&self, t: u64) -> R<u64> {
        self.load(t, "internal/abi.Type.TFlag|runtime._type.tflag")
    }

    fn Kind_(&self, t: u64) -> R<u64> {
        self.load(t, "internal/abi.Type.Kind_|runtime._type.kind")
    }

    pub(super) fn Size_(&self, t: u64) -> R<u64> {
        self.load(t, "internal/abi.Type.Size_|runtime._type.size")
    }

    pub(super) fn PtrBytes(&self, t: u64) -> R<u64> {
        self.load(t, "internal/abi.Type.PtrBytes|runtime._type.ptrdata")
    }

    pub(super) fn Pointers(&self, t: u64) -> R<bool> {
        Ok(self.PtrBytes(t)? != 0)
    }

    /// IsDirectIface reports whether t is stored directly in an interface value.
    pub(super) fn IsDirectIface(&self, t: u64) -> R<bool> {
        Ok(if self.release.minor >= 26 {
            self.TFlag(t)? & TFlagDirectIface != 0
        } else {
            self.Kind_(t)? & KindDirectIface != 0
        })
    }

    pub(super) fn Uncommon(&self, t: u64) -> R<Option<u64>> {
        if self.TFlag(t)? & TFlagUncommon == 0 {
            return Ok(None);
        }
        let before = match self.Kind_(t)? & KindMask {
            Struct => "internal/abi.StructType|runtime.structtype",
            Pointer => "internal/abi.PtrType|runtime.ptrtype",
            Func => "internal/abi.FuncType|runtime.functype",
            Slice => "internal/abi.SliceType|runtime.slicetype",
            Array => "internal/abi.ArrayType|runtime.arraytype",
            Chan => "internal/abi.ChanType|runtime.chantype",
            Map => "internal/abi.MapType|internal/abi.SwissMapType|runtime.maptype",
            Interface => "internal/abi.InterfaceType|runtime.interfacetype",
            _ => "internal/abi.Type|runtime._type",
        };
        Ok(Some(self.add(t, self.sizeof(before)?)))
    }

    /// `resolveNameOff`: a name, or 0 for none.
    pub(super) fn nameOff(&self, ptrInModule: u64, off: i32) -> R<u64> {
        if off == 0 {
            return Ok(0);
        }
        let base = ptrInModule;
        let mut md = self.variable("runtime.firstmoduledata")?;
        while md != 0 {
            self.tick()?;
            let types = self.load(md, "runtime.moduledata.types")?;
            let etypes = self.load(md, "runtime.moduledata.etypes")?;
            if base >= types && base < etypes {
                let res = self.add(types, self.int32_uintptr(off));
                if res > etypes {
                    return throw("runtime: name offset out of range");
                }
                return Ok(res);
            }
            md = self.load(md, "runtime.moduledata.next")?;
        }
        // A type that the program has made at run time has no methods, and so no package; nor has an itab such a type.
        throw("not transliterated: names in reflectOffs")
    }

    /// `name.Name`
    pub(super) fn Name(&self, n: u64) -> R<(u64, u64)> {
        if n == 0 {
            return Ok((0, 0));
        }
        // ReadVarint(1)
        let (mut v, mut i) = (0u64, 0);
        loop {
            self.tick()?;
            let x = self.load_byte(self.add(n, 1 + i), "name")?;
            v = v.wrapping_add(u64::from(x & 0x7f).checked_shl(7 * i as u32).unwrap_or(0));
            i += 1;
            if x & 0x80 == 0 {
                break;
            }
        }
        Ok((self.add(n, 1 + i), self.uintptr(v)))
    }

    pub(super) fn string(&self, t: u64) -> R<(u64, u64)> {
        let s = self.nameOff(t, self.load_int32(t, "internal/abi.Type.Str|runtime._type.str")?)?;
        let s = self.Name(s)?;
        if self.TFlag(t)? & TFlagExtraStar != 0 {
            return if s.1 == 0 {
                throw("slice bounds out of range")
            } else {
                Ok((self.add(s.0, 1), s.1 - 1))
            };
        }
        Ok(s)
    }

    pub(super) fn name(&self, t: u64) -> R<(u64, u64)> {
        if self.TFlag(t)? & TFlagNamed == 0 {
            return Ok((0, 0));
        }
        let (at, len) = self.string(t)?;
        let s = self.bytes(at, len, "a type's name")?;
        let mut i = len as i64 - 1;
        let mut sqBrackets = 0;
        while i >= 0 && (s[i as usize] != b'.' || sqBrackets != 0) {
            match s[i as usize] {
                b']' => sqBrackets += 1,
                b'[' => sqBrackets -= 1,
                _ => {}
            }
            i -= 1;
        }
        Ok((self.add(at, (i + 1) as u64), len - (i + 1) as u64))
    }

    fn is_on_demand(&self, t: u64) -> R<bool> {
        Ok(self.release.minor >= 24 && self.TFlag(t)? & TFlagGCMaskOnDemand != 0)
    }

    fn GCData(&self, t: u64) -> R<u64> {
        self.load(t, "internal/abi.Type.GCData|runtime._type.gcdata")
    }

    /// `readUintptr(addb(getGCMask(t), n))`: one word of the pointer mask of a type. Its bytes are in the order of little-endian
    /// machines.
    pub(super) fn gcmask_word(&mut self, t: u64, n: u64) -> R<u64> {
        let mut bytes = [0; 8];
        let word = &mut bytes[..self.ptrSize as usize];
        let mut p = self.GCData(t)?;
        if self.is_on_demand(t)? {
            // getGCMaskOnDemand
            match self.load_uintptr(p, "Type.GCData")? {
                // Already built.
                built if built != 0 => p = built,
                // Build gcmask for this type.
                _ => {
                    if !self.gcmasks.contains_key(&t) {
                        let words = self.PtrBytes(t)? / self.ptrSize;
                        let bits = words.div_ceil(8 * self.ptrSize) * 8 * self.ptrSize;
                        if bits > super::MAX_BYTES as u64 {
                            return Err(super::Stop::Runaway);
                        }
                        let mut mask = vec![0; bits as usize / 8];
                        self.buildGCMask(t, &mut mask, 0)?;
                        self.gcmasks.insert(t, mask);
                    }
                    let mask = &self.gcmasks[&t];
                    match mask.get(n as usize..n as usize + word.len()) {
                        Some(bytes) => word.copy_from_slice(bytes),
                        None => return throw("a mask ends before what is read of it"),
                    }
                    return Ok(u64::from_le_bytes(bytes));
                }
            }
        }
        self.read(self.add(p, n), word, "GCData")?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn buildGCMask(&self, t: u64, dst: &mut [u8], n: u64) -> R<()> {
        self.tick()?;
        if self.PtrBytes(t)? == 0 {
            return throw("pointerless type");
        }
        if !self.is_on_demand(t)? {
            // copy t.GCData to dst
            let (src, cnt) = (self.GCData(t)?, self.PtrBytes(t)? / self.ptrSize);
            for i in 0..cnt {
                self.tick()?;
                let bit = self.load_byte(self.add(src, i / 8), "GCData")? >> (i % 8) & 1;
                match dst.get_mut((n + i) as usize / 8) {
                    Some(byte) => *byte |= bit << ((n + i) % 8),
                    None => return throw("a mask has no room for its type"),
                }
            }
            return Ok(());
        }
        match self.Kind_(t)? & KindMask {
            Array => {
                let e = self.load(t, "internal/abi.ArrayType.Elem")?;
                let len = self.load(t, "internal/abi.ArrayType.Len")?;
                let words = self.Size_(e)? / self.ptrSize;
                for i in 0..len {
                    self.buildGCMask(e, dst, n + i * words)?;
                }
                Ok(())
            }
            Struct => {
                let (fields, len) = self.load_slice(t, "internal/abi.StructType.Fields")?;
                let size = self.sizeof("internal/abi.StructField")?;
                for i in 0..len {
                    let f = self.add(fields, self.mul(i, size));
                    let ft = self.load(f, "internal/abi.StructField.Typ")?;
                    if self.Pointers(ft)? {
                        let offset = self.load(f, "internal/abi.StructField.Offset")?;
                        self.buildGCMask(ft, dst, n + offset / self.ptrSize)?;
                    }
                }
                Ok(())
            }
            _ => throw("unexpected kind"),
        }
    }
}
