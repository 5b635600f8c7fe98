//! Connections of the reference implementation: handshake, and frames sealed and opened by its codec.
use crate::values::XorShift;
use rand::RngCore;
use std::time::Duration;
use stratum_core::{
    codec_sv2::{
        Decrypted, Handshake, InitiatorSent, NoiseDecoder, NoiseEncoder, SerializedFrame, Transport,
        TransportDecryptState, TransportEncryptState,
    },
    noise_sv2::{Initiator, Responder},
};

pub struct Connection {
    encoder: NoiseEncoder,
    decoder: NoiseDecoder,
    encrypt: TransportEncryptState,
    /// None once something could not be opened: the connection is over.
    decrypt: Option<TransportDecryptState>,
}

/// A source of randomness that keeps what it gave.
pub struct Recorder {
    source: XorShift,
    pub draws: Vec<Vec<u8>>,
}

impl Recorder {
    pub fn new(seed: u64) -> Self {
        Recorder { source: XorShift::new(seed), draws: vec![] }
    }
}

impl RngCore for Recorder {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_le_bytes(bytes)
    }
    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_le_bytes(bytes)
    }
    fn fill_bytes(&mut self, out: &mut [u8]) {
        self.source.fill_bytes(out);
        self.draws.push(out.to_vec());
    }
    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), rand::Error> {
        self.fill_bytes(out);
        Ok(())
    }
}

impl rand::CryptoRng for Recorder {}

fn told(error: impl std::fmt::Debug) -> String {
    format!("{error:?}")
}

/// Gives act 1. `authority`: the key that must have signed the certificate, or None for any.
pub fn initiate(
    authority: Option<[u8; 32]>,
    random: &mut Recorder,
) -> Result<(Vec<u8>, Handshake<InitiatorSent>), String> {
    let role = match authority {
        Some(key) => Initiator::from_raw_k_with_rng(key, random).map_err(told)?,
        None => Initiator::without_pk_with_rng(random).map_err(told)?,
    };
    let (message, handshake) = Handshake::initiator(role).step_0().map_err(told)?;
    Ok((message.payload().to_vec(), handshake))
}

/// Takes act 2.
pub fn conclude(handshake: Handshake<InitiatorSent>, act2: &[u8], now: u32) -> Result<Connection, String> {
    let act2 = act2.try_into().map_err(|_| format!("act 2 has {} bytes", act2.len()))?;
    Ok(Connection::new(handshake.step_2_with_now(act2, now).map_err(told)?))
}

/// Takes act 1, gives act 2.
pub fn respond(
    authority: (&[u8; 32], &[u8; 32]),
    validity: u64,
    act1: &[u8],
    now: u32,
    random: &mut Recorder,
) -> Result<(Vec<u8>, Connection), String> {
    let (public, secret) = authority;
    let role = Responder::from_authority_kp_with_rng(public, secret, Duration::from_secs(validity), random)
        .map_err(told)?;
    let act1 = act1.try_into().map_err(|_| format!("act 1 has {} bytes", act1.len()))?;
    let (message, transport) =
        Handshake::responder(role).step_1_with_now_rng(act1, now, random).map_err(told)?;
    Ok((message.payload().to_vec(), Connection::new(transport)))
}

impl Connection {
    fn new(transport: Transport) -> Self {
        let (encrypt, decrypt) = transport.split();
        Connection {
            encoder: NoiseEncoder::new(),
            decoder: NoiseDecoder::new(),
            encrypt,
            decrypt: Some(decrypt),
        }
    }

    /// Seals an encoded frame.
    pub fn seal(&mut self, frame: Vec<u8>) -> Result<Vec<u8>, String> {
        let frame = SerializedFrame::from_bytes(frame).map_err(|hint| hint.to_string())?;
        self.encoder.encode_transport(frame, &mut self.encrypt).map_err(told)
    }

    /// Takes received bytes and gives the frames that are whole.
    pub fn open(&mut self, mut received: &[u8]) -> Result<Vec<Vec<u8>>, String> {
        let mut frames = vec![];
        while !received.is_empty() {
            let writable = self.decoder.writable();
            if writable.len() > received.len() {
                return Err(format!("{} bytes end within a block", received.len()));
            }
            let (now, later) = received.split_at(writable.len());
            writable.copy_from_slice(now);
            received = later;
            let state = self.decrypt.take().ok_or("this connection is over")?;
            match self.decoder.next_transport_frame(state).map_err(told)? {
                Decrypted::Frame(frame, state) => {
                    frames.push(frame.into_bytes());
                    self.decrypt = Some(state);
                }
                Decrypted::Incomplete(_, state) => self.decrypt = Some(state),
            }
        }
        Ok(frames)
    }
}
