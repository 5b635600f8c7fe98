//! How the values of messages are made and shown: one `Value` for each data type of the protocol.
use rand::RngCore;
use std::fmt::Write;
use stratum_core::{
    binary_sv2::{
        B016MOwned, B0255Owned, B032Owned, B064KOwned, Seq0255Owned, Seq064KOwned, Str0255Owned,
        Sv2OptionOwned, U256Owned,
    },
    common_messages_sv2::Protocol,
};

/// What a message is filled with.
pub enum Maker {
    /// Zeros, nothing, the shortest.
    Least,
    /// The highest and the longest.
    Most,
    /// Bytes that count up, so that a wrong byte order or a swapped field shows.
    Counting(u8),
    Random(XorShift),
}

/// A generator as simple as can be (xorshift64*), seeded from the other side so that a failure can be repeated.
pub struct XorShift(u64);

impl XorShift {
    pub fn new(seed: u64) -> Self {
        XorShift(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }
}

impl RngCore for XorShift {
    fn next_u32(&mut self) -> u32 {
        (self.next_u64() >> 32) as u32
    }
    fn next_u64(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
    fn fill_bytes(&mut self, out: &mut [u8]) {
        for byte in out {
            *byte = (self.next_u64() >> 56) as u8;
        }
    }
    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), rand::Error> {
        self.fill_bytes(out);
        Ok(())
    }
}

// Only so that the crates take it: nothing it makes is ever a secret.
impl rand::CryptoRng for XorShift {}

/// Long values that are one byte or element over and over are shown as such.
const SHORT: usize = 600;
/// A payload of RequestTransactionData.Success with all its other fields at their longest, and this one transaction, has
/// exactly the 2^24 - 1 bytes a frame can hold.
const LONGEST_TRANSACTION: usize = 0xff_ffff - (8 + 2 + 0xffff + 2 + 3);

impl Maker {
    pub fn bytes(&mut self, most: usize) -> Vec<u8> {
        match self {
            Maker::Least => vec![],
            Maker::Most => vec![0xff; most],
            Maker::Counting(_) => self.exactly(most.min(37)),
            Maker::Random(random) => {
                // Mostly short, at times as long as a B0_255 and beyond.
                let limit = if random.next_u32() % 16 == 0 { 700 } else { 48 };
                let length = random.next_u64() as usize % (most.min(limit) + 1);
                self.exactly(length)
            }
        }
    }

    pub fn exactly(&mut self, length: usize) -> Vec<u8> {
        let mut out = vec![0; length];
        match self {
            Maker::Least => {}
            Maker::Most => out.fill(0xff),
            Maker::Counting(next) => {
                for byte in &mut out {
                    *byte = *next;
                    *next = next.wrapping_add(1);
                }
            }
            Maker::Random(random) => random.fill_bytes(&mut out),
        }
        out
    }

    fn count(&mut self, most: usize) -> usize {
        match self {
            Maker::Least => 0,
            Maker::Most => most,
            Maker::Counting(_) => 3,
            Maker::Random(random) => random.next_u64() as usize % 9,
        }
    }

    /// At most 255 bytes of UTF-8 without control characters.
    fn text(&mut self) -> String {
        match self {
            Maker::Least => String::new(),
            Maker::Most => format!("{}~", "é".repeat(127)),
            Maker::Counting(_) => "Adit/1.0 Ω ⛏ 😀".into(),
            Maker::Random(random) => {
                let mut text = String::new();
                for _ in 0..random.next_u32() % 60 {
                    let range = match random.next_u32() % 8 {
                        0 => 0xa1..0x250,
                        1 => 0x4e00..0x4f00,
                        2 => 0x1f600..0x1f640,
                        _ => 0x20..0x7f,
                    };
                    let code = range.start + random.next_u32() % (range.end - range.start);
                    text.extend(char::from_u32(code));
                }
                text
            }
        }
    }
}

pub fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

pub fn unhex(text: &str) -> Result<Vec<u8>, String> {
    if !text.is_ascii() || text.len() % 2 != 0 {
        return Err(format!("not hexadecimal: {} characters", text.len()));
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).map_err(|error| error.to_string()))
        .collect()
}

pub fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if (c as u32) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn bytes_json(bytes: &[u8]) -> String {
    if bytes.len() > SHORT && bytes.iter().all(|byte| *byte == bytes[0]) {
        return format!("{{\"repeat\":\"{:02x}\",\"count\":{}}}", bytes[0], bytes.len());
    }
    format!("\"{}\"", hex(bytes))
}

/// A data type of the protocol.
pub trait Value: Sized {
    fn make(maker: &mut Maker) -> Self;
    fn json(&self) -> String;
}

/// STR0_255, which the crates do not tell apart from B0_255: text where it is UTF-8.
pub mod text {
    use super::*;
    pub fn make(maker: &mut Maker) -> Str0255Owned {
        let mut bytes = maker.text().into_bytes();
        while bytes.len() > 255 || std::str::from_utf8(&bytes).is_err() {
            bytes.pop();
        }
        Str0255Owned::try_from(bytes).expect("at most 255 bytes")
    }
    pub fn json(value: &Str0255Owned) -> String {
        match std::str::from_utf8(value.as_bytes()) {
            Ok(text) => quote(text),
            Err(_) => format!("{{\"notUtf8\":\"{}\"}}", hex(value.as_bytes())),
        }
    }
}

macro_rules! integers {
    ($($type:ty)*) => {$(
        impl Value for $type {
            fn make(maker: &mut Maker) -> Self {
                let bytes = maker.exactly(std::mem::size_of::<$type>());
                <$type>::from_le_bytes(bytes.try_into().expect("so many bytes"))
            }
            fn json(&self) -> String {
                self.to_string()
            }
        }
    )*};
}
integers!(u16 u32);

impl Value for u64 {
    fn make(maker: &mut Maker) -> Self {
        u64::from_le_bytes(maker.exactly(8).try_into().expect("so many bytes"))
    }
    /// As text: a number of JSON would lose the lowest bits.
    fn json(&self) -> String {
        format!("\"{self}\"")
    }
}

impl Value for bool {
    fn make(maker: &mut Maker) -> Self {
        maker.exactly(1)[0] & 1 == 1
    }
    fn json(&self) -> String {
        self.to_string()
    }
}

impl Value for f32 {
    fn make(maker: &mut Maker) -> Self {
        match maker {
            Maker::Least => 0.0,
            Maker::Most => f32::MAX,
            Maker::Counting(_) => 1.2e12,
            Maker::Random(random) => loop {
                let value = f32::from_bits(random.next_u32());
                if value.is_finite() {
                    return value;
                }
            },
        }
    }
    fn json(&self) -> String {
        if self.is_finite() {
            format!("{:e}", f64::from(*self))
        } else {
            quote(&self.to_string())
        }
    }
}

impl Value for Protocol {
    fn make(maker: &mut Maker) -> Self {
        match maker {
            Maker::Least => Protocol::MiningProtocol,
            Maker::Most => Protocol::TemplateDistributionProtocol,
            Maker::Counting(_) => Protocol::JobDeclarationProtocol,
            Maker::Random(random) => Protocol::try_from(random.next_u32() as u8 % 3).expect("0 to 2"),
        }
    }
    fn json(&self) -> String {
        (*self as u8).to_string()
    }
}

macro_rules! bytes {
    ($($type:ty: $make:expr),* $(,)?) => {$(
        impl Value for $type {
            fn make(maker: &mut Maker) -> Self {
                let make: fn(&mut Maker) -> Vec<u8> = $make;
                <$type>::try_from(make(maker)).expect("within its limits")
            }
            fn json(&self) -> String {
                bytes_json(self.as_bytes())
            }
        }
    )*};
}
bytes! {
    U256Owned: |maker| maker.exactly(32),
    B032Owned: |maker| maker.bytes(32),
    B0255Owned: |maker| maker.bytes(255),
    B064KOwned: |maker| maker.bytes(0xffff),
    B016MOwned: |maker| maker.bytes(LONGEST_TRANSACTION),
}

fn list_json<T: Value>(items: &[T]) -> String {
    let shown: Vec<String> = items.iter().map(Value::json).collect();
    if shown.len() > SHORT && shown.iter().all(|one| *one == shown[0]) {
        return format!("{{\"repeat\":{},\"count\":{}}}", shown[0], shown.len());
    }
    format!("[{}]", shown.join(","))
}

/// How many elements of a type a SEQ0_64K gets at most: a frame must be able to hold them.
pub trait Element: Value {
    const MOST: usize = 0xffff;
}
impl Element for u16 {}
impl Element for u32 {}
impl Element for U256Owned {}
impl Element for B016MOwned {
    const MOST: usize = 1;
}

macro_rules! sequences {
    ($($type:ident up to $most:expr),*) => {$(
        impl<T: Element> Value for $type<T> {
            fn make(maker: &mut Maker) -> Self {
                let count = maker.count($most);
                $type::new((0..count).map(|_| T::make(maker)).collect()).expect("within its limits")
            }
            fn json(&self) -> String {
                list_json(self.as_slice())
            }
        }
    )*};
}
sequences!(Seq0255Owned up to 255, Seq064KOwned up to T::MOST);

impl Value for Sv2OptionOwned<u32> {
    fn make(maker: &mut Maker) -> Self {
        let present = match maker {
            Maker::Least => false,
            Maker::Most | Maker::Counting(_) => true,
            Maker::Random(random) => random.next_u32() % 2 == 1,
        };
        Sv2OptionOwned::new(present.then(|| u32::make(maker)))
    }
    fn json(&self) -> String {
        self.as_ref().map_or("null".into(), u32::to_string)
    }
}
