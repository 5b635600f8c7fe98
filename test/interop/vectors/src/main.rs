//! The reference implementation as a peer for Adit's tests.
//!
//! `adit-interop-peer messages` and `adit-interop-peer noise` print golden data; `adit-interop-peer serve` answers one line of
//! JSON to every line on its standard input (see `answer`).
mod messages;
mod noise;
mod values;

use messages::{decode, encode, make, names, show, tlvs_json};
use noise::{conclude, initiate, respond, Connection, Recorder};
use std::{
    collections::HashMap,
    io::{stdin, stdout, BufRead, BufWriter, Write},
    panic::{catch_unwind, AssertUnwindSafe},
    process::ExitCode,
};
use stratum_core::{
    bitcoin::hashes::{sha256, Hash},
    codec_sv2::{Handshake, InitiatorSent},
    extensions_sv2::UserIdentity,
    parsers_sv2::{AnyMessageOwned, MiningOwned, TlvField, TlvList},
};
use values::{hex, quote, unhex, Maker, XorShift};

/// Longer frames are given as their length and hash.
const SHORT_FRAME: usize = 3_000;

fn frame_json(frame: &[u8]) -> String {
    if frame.len() <= SHORT_FRAME {
        return format!("\"{}\"", hex(frame));
    }
    let hash = sha256::Hash::hash(frame).to_byte_array();
    format!("{{\"length\":{},\"sha256\":\"{}\"}}", frame.len(), hex(&hash))
}

/// What `Cargo.lock` holds of the reference implementation.
fn versions() -> String {
    let mut found = vec![];
    let mut name = "";
    for line in include_str!("../Cargo.lock").lines() {
        if let Some(rest) = line.strip_prefix("name = ") {
            name = rest.trim_matches('"');
        } else if let Some(version) = line.strip_prefix("version = ") {
            if name.ends_with("_sv2") || name == "stratum-core" {
                found.push(format!("    \"{name}\": {version}"));
            }
        }
    }
    format!("{{\n{}\n  }}", found.join(",\n"))
}

fn golden_messages() -> Result<String, String> {
    let mut lines = vec![];
    for (part, names) in names() {
        for name in names {
            let makers = [
                ("least", Maker::Least),
                ("most", Maker::Most),
                ("counting", Maker::Counting(1)),
                ("counting", Maker::Counting(0x80)),
                ("random", Maker::Random(XorShift::new(1))),
                ("random", Maker::Random(XorShift::new(2))),
            ];
            for (filled, mut maker) in makers {
                let message = make(part, name, &mut maker).ok_or("no such message")?;
                let shown = show(&message);
                let frame = encode(message)?;
                lines.push(format!(
                    "    {{\"filled\":\"{filled}\",{shown},\"frame\":{}}}",
                    frame_json(&frame)
                ));
            }
        }
    }
    let mut named = vec![];
    for name in ["", "bitaxe-1", "Ω", "thirty-two-bytes-are-the-longest"] {
        let mut maker = Maker::Counting(0x20);
        let Some(AnyMessageOwned::Mining(MiningOwned::SubmitSharesExtended(share))) =
            make("mining", "SubmitSharesExtended", &mut maker)
        else {
            return Err("not a share".into());
        };
        let shown = show(&AnyMessageOwned::Mining(MiningOwned::SubmitSharesExtended(share.clone())));
        let field = UserIdentity::new(name)?.to_tlv().map_err(|error| format!("{error:?}"))?;
        let frame = TlvList::from_slice(&[field])
            .and_then(|list| {
                list.build_frame_bytes_with_tlvs(AnyMessageOwned::Mining(MiningOwned::SubmitSharesExtended(
                    share,
                )))
            })
            .map_err(|error| format!("{error:?}"))?;
        named.push(format!(
            "    {{\"userIdentity\":{},{shown},\"frame\":{}}}",
            quote(name),
            frame_json(&frame)
        ));
    }
    Ok(format!(
        "{{\n  \"crates\": {},\n  \"messages\": [\n{}\n  ],\n  \"userIdentities\": [\n{}\n  ]\n}}",
        versions(),
        lines.join(",\n"),
        named.join(",\n")
    ))
}

const AUTHORITY_SECRET: [u8; 32] = [7; 32];
/// Its X coordinate.
const AUTHORITY_PUBLIC: &str = "989c0b76cb563971fdc9bef31ec06c3560f3249d6ee9e5d83c57625596e05f6f";
const NOW: u32 = 1_790_000_000;
/// Around the longest block of Noise (65519 bytes of plaintext), and up to the longest payload.
const PAYLOADS: [usize; 9] = [0, 1, 100, 65_518, 65_519, 65_520, 131_038, 131_039, 0xff_ffff];

fn golden_noise() -> Result<String, String> {
    let public: [u8; 32] = unhex(AUTHORITY_PUBLIC)?.try_into().map_err(|_| "not a key")?;
    let mut connections = vec![];
    for seed in 1..=3 {
        let (mut random, mut other) = (Recorder::new(seed), Recorder::new(1_000 + seed));
        let (act1, handshake) = initiate(Some(public), &mut random)?;
        let (act2, mut responder) = respond((&public, &AUTHORITY_SECRET), 3_600, &act1, NOW, &mut other)?;
        let mut initiator = conclude(handshake, &act2, NOW)?;
        let mut frames = vec![];
        // The longest takes a while to seal: once is enough.
        let count = if seed == 1 { PAYLOADS.len() } else { PAYLOADS.len() - 1 };
        for (index, length) in PAYLOADS.into_iter().take(count).enumerate() {
            let mut frame =
                vec![1, 0x80, index as u8, length as u8, (length >> 8) as u8, (length >> 16) as u8];
            frame.extend((0..length).map(|at| (at * 7 + at / 256 + index) as u8));
            let there = initiator.seal(frame.clone())?;
            let back = responder.seal(frame.clone())?;
            if responder.open(&there)? != [frame.clone()] || initiator.open(&back)? != [frame] {
                return Err("the reference cannot open what it sealed".into());
            }
            frames.push(format!(
                "        {{\"payload\":{length},\"fromInitiator\":{},\"fromResponder\":{}}}",
                frame_json(&there),
                frame_json(&back)
            ));
        }
        let draws: Vec<String> = random.draws.iter().map(|draw| quote(&hex(draw))).collect();
        connections.push(format!(
            "    {{\n      \"initiatorDraws\": [{}],\n      \"act1\": \"{}\",\n      \"act2\": \"{}\",\n      \"frames\": [\n{}\n      ]\n    }}",
            draws.join(","),
            hex(&act1),
            hex(&act2),
            frames.join(",\n")
        ));
    }
    Ok(format!(
        "{{\n  \"crates\": {},\n  \"authorityPublicKey\": \"{AUTHORITY_PUBLIC}\",\n  \"now\": {NOW},\n  \"connections\": [\n{}\n  ]\n}}",
        versions(),
        connections.join(",\n")
    ))
}

#[derive(Default)]
struct Peer {
    handshakes: HashMap<String, Handshake<InitiatorSent>>,
    connections: HashMap<String, Connection>,
}

fn key(text: &str) -> Result<[u8; 32], String> {
    unhex(text)?.try_into().map_err(|_| "a key has 32 bytes".into())
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("not a number: {text}"))
}

impl Peer {
    /// Answers one line:
    /// - `versions`
    /// - `names`
    /// - `decode FRAME`: part, name, fields, TLV fields of extension 2, and the frame encoded again
    /// - `random PART NAME SEED`: part, name, fields and frame of a message
    /// - `initiate ID AUTHORITY|any SEED`: act 1; `conclude ID ACT2 NOW`
    /// - `respond ID PUBLIC SECRET VALIDITY ACT1 NOW SEED`: act 2
    /// - `seal ID FRAME`, `open ID BYTES`
    fn answer(&mut self, line: &str) -> Result<String, String> {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["versions"] => Ok(versions().replace('\n', "")),
            ["names"] => {
                let all: Vec<String> = names()
                    .iter()
                    .flat_map(|(part, names)| {
                        names.iter().map(move |name| format!("[\"{part}\",\"{name}\"]"))
                    })
                    .collect();
                Ok(format!("[{}]", all.join(",")))
            }
            ["decode", frame] => {
                let decoded = decode(unhex(frame)?, &[2])?;
                let shown = show(&decoded.message);
                let tlvs = tlvs_json(&decoded.tlvs);
                let frame = encode(decoded.message)?;
                Ok(format!("{{{shown},\"tlvs\":{tlvs},\"frame\":\"{}\"}}", hex(&frame)))
            }
            ["random", part, name, seed] => {
                let mut maker = Maker::Random(XorShift::new(number(seed)?));
                let message = make(part, name, &mut maker).ok_or("no such message")?;
                let shown = show(&message);
                Ok(format!("{{{shown},\"frame\":\"{}\"}}", hex(&encode(message)?)))
            }
            ["initiate", id, authority, seed] => {
                let authority = if authority == "any" { None } else { Some(key(authority)?) };
                let (act1, handshake) = initiate(authority, &mut Recorder::new(number(seed)?))?;
                self.handshakes.insert(id.into(), handshake);
                Ok(quote(&hex(&act1)))
            }
            ["conclude", id, act2, now] => {
                let handshake = self.handshakes.remove(id).ok_or("no such handshake")?;
                self.connections.insert(id.into(), conclude(handshake, &unhex(act2)?, number(now)?)?);
                Ok("true".into())
            }
            ["respond", id, public, secret, validity, act1, now, seed] => {
                let authority = (&key(public)?, &key(secret)?);
                let mut random = Recorder::new(number(seed)?);
                let (act2, connection) =
                    respond(authority, number(validity)?, &unhex(act1)?, number(now)?, &mut random)?;
                self.connections.insert(id.into(), connection);
                Ok(quote(&hex(&act2)))
            }
            ["seal", id, frame] => {
                let connection = self.connections.get_mut(id).ok_or("no such connection")?;
                Ok(quote(&hex(&connection.seal(unhex(frame)?)?)))
            }
            ["open", id, bytes] => {
                let connection = self.connections.get_mut(id).ok_or("no such connection")?;
                let frames = connection.open(&unhex(bytes)?)?;
                Ok(format!("[{}]", frames.iter().map(|one| quote(&hex(one))).collect::<Vec<_>>().join(",")))
            }
            _ => Err("no such command".into()),
        }
    }

    fn serve(&mut self) -> std::io::Result<()> {
        // What the reference does with hostile bytes is an answer, too: a panic is reported, not printed.
        std::panic::set_hook(Box::new(|_| {}));
        let mut out = BufWriter::new(stdout().lock());
        let mut input = stdin().lock();
        let mut line = String::new();
        loop {
            line.clear();
            if input.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let command = line.trim_end().to_string();
            match catch_unwind(AssertUnwindSafe(|| self.answer(&command))) {
                Ok(Ok(answer)) => writeln!(out, "{{\"ok\":{answer}}}")?,
                Ok(Err(error)) => writeln!(out, "{{\"error\":{}}}", quote(&error))?,
                Err(_) => writeln!(out, "{{\"panic\":true}}")?,
            }
            out.flush()?;
        }
    }
}

fn main() -> ExitCode {
    let done = match std::env::args().nth(1).as_deref() {
        Some("messages") => golden_messages().map(|text| println!("{text}")),
        Some("noise") => golden_noise().map(|text| println!("{text}")),
        Some("serve") => Peer::default().serve().map_err(|error| error.to_string()),
        _ => Err("use: adit-interop-peer messages | noise | serve".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
