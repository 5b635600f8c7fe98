//! Every message of the protocol with its fields in order, made and shown.
use crate::values::{hex, quote, text, Maker, Value};
use std::fmt::Write;
use stratum_core::{
    codec_sv2::{Encoder, SerializedFrame},
    common_messages_sv2::*,
    extensions_sv2::*,
    framing_sv2::framing::MessageFrame,
    job_declaration_sv2::*,
    mining_sv2::*,
    parsers_sv2::{
        parse_message_frame_with_tlvs, AnyMessageOwned, CommonMessagesOwned, ExtensionsNegotiationOwned,
        ExtensionsOwned, IsSv2Message, JobDeclarationOwned, MiningOwned, TemplateDistributionOwned, Tlv,
    },
    template_distribution_sv2::{
        CoinbaseOutputConstraintsOwned, NewTemplateOwned, RequestTransactionDataErrorOwned,
        RequestTransactionDataOwned, RequestTransactionDataSuccessOwned,
        SetNewPrevHashOwned as TemplateSetNewPrevHashOwned, SubmitSolutionOwned,
    },
};

/// The messages of one part of the protocol.
trait Group: Sized {
    const NAMES: &'static [&'static str];
    fn make(name: &str, maker: &mut Maker) -> Option<Self>;
    /// Its name as the specification writes it, and its fields as members of a JSON object.
    fn show(&self) -> (&'static str, String);
}

macro_rules! make {
    ($maker:ident) => {
        Value::make($maker)
    };
    ($maker:ident text) => {
        text::make($maker)
    };
}
macro_rules! show {
    ($value:expr) => {
        Value::json($value)
    };
    ($value:expr, text) => {
        text::json($value)
    };
}
macro_rules! group {
    ($group:ident { $($name:literal $variant:ident $type:ident { $($field:ident $(: $kind:ident)?),* })* }) => {
        impl Group for $group {
            const NAMES: &'static [&'static str] = &[$($name),*];
            fn make(name: &str, maker: &mut Maker) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant($type { $($field: make!(maker $($kind)?)),* })),)*
                    _ => None,
                }
            }
            fn show(&self) -> (&'static str, String) {
                let mut fields = String::new();
                let name = match self {
                    $(Self::$variant(message) => {
                        $(
                            let value = show!(&message.$field $(, $kind)?);
                            let _ = write!(fields, "\"{}\":{},", stringify!($field), value);
                        )*
                        $name
                    })*
                };
                fields.pop();
                (name, fields)
            }
        }
    };
}

group!(CommonMessagesOwned {
    "SetupConnection" SetupConnection SetupConnectionOwned {
        protocol, min_version, max_version, flags, endpoint_host: text, endpoint_port, vendor: text,
        hardware_version: text, firmware: text, device_id: text
    }
    "SetupConnection.Success" SetupConnectionSuccess SetupConnectionSuccessOwned { used_version, flags }
    "SetupConnection.Error" SetupConnectionError SetupConnectionErrorOwned { flags, error_code: text }
    "ChannelEndpointChanged" ChannelEndpointChanged ChannelEndpointChangedOwned { channel_id }
    "Reconnect" Reconnect ReconnectOwned { new_host: text, new_port }
});

group!(MiningOwned {
    "OpenStandardMiningChannel" OpenStandardMiningChannel OpenStandardMiningChannelOwned {
        request_id, user_identity: text, nominal_hash_rate, max_target
    }
    "OpenStandardMiningChannel.Success" OpenStandardMiningChannelSuccess OpenStandardMiningChannelSuccessOwned {
        request_id, channel_id, target, extranonce_prefix, group_channel_id
    }
    "OpenMiningChannel.Error" OpenMiningChannelError OpenMiningChannelErrorOwned { request_id, error_code: text }
    "OpenExtendedMiningChannel" OpenExtendedMiningChannel OpenExtendedMiningChannelOwned {
        request_id, user_identity: text, nominal_hash_rate, max_target, min_extranonce_size
    }
    "OpenExtendedMiningChannel.Success" OpenExtendedMiningChannelSuccess OpenExtendedMiningChannelSuccessOwned {
        request_id, channel_id, target, extranonce_size, extranonce_prefix, group_channel_id
    }
    "NewMiningJob" NewMiningJob NewMiningJobOwned { channel_id, job_id, min_ntime, version, merkle_root }
    "UpdateChannel" UpdateChannel UpdateChannelOwned { channel_id, nominal_hash_rate, maximum_target }
    "UpdateChannel.Error" UpdateChannelError UpdateChannelErrorOwned { channel_id, error_code: text }
    "CloseChannel" CloseChannel CloseChannelOwned { channel_id, reason_code: text }
    "SetExtranoncePrefix" SetExtranoncePrefix SetExtranoncePrefixOwned { channel_id, extranonce_prefix }
    "SubmitSharesStandard" SubmitSharesStandard SubmitSharesStandardOwned {
        channel_id, sequence_number, job_id, nonce, ntime, version
    }
    "SubmitSharesExtended" SubmitSharesExtended SubmitSharesExtendedOwned {
        channel_id, sequence_number, job_id, nonce, ntime, version, extranonce
    }
    "SubmitShares.Success" SubmitSharesSuccess SubmitSharesSuccessOwned {
        channel_id, last_sequence_number, new_submits_accepted_count, new_shares_sum
    }
    "SubmitShares.Error" SubmitSharesError SubmitSharesErrorOwned { channel_id, sequence_number, error_code: text }
    "NewExtendedMiningJob" NewExtendedMiningJob NewExtendedMiningJobOwned {
        channel_id, job_id, min_ntime, version, version_rolling_allowed, merkle_path, coinbase_tx_prefix,
        coinbase_tx_suffix
    }
    "SetNewPrevHash" SetNewPrevHash SetNewPrevHashOwned { channel_id, job_id, prev_hash, min_ntime, nbits }
    "SetTarget" SetTarget SetTargetOwned { channel_id, maximum_target }
    "SetCustomMiningJob" SetCustomMiningJob SetCustomMiningJobOwned {
        channel_id, request_id, token, version, prev_hash, min_ntime, nbits, coinbase_tx_version, coinbase_prefix,
        coinbase_tx_input_n_sequence, coinbase_tx_outputs, coinbase_tx_locktime, merkle_path
    }
    "SetCustomMiningJob.Success" SetCustomMiningJobSuccess SetCustomMiningJobSuccessOwned {
        channel_id, request_id, job_id
    }
    "SetCustomMiningJob.Error" SetCustomMiningJobError SetCustomMiningJobErrorOwned {
        channel_id, request_id, error_code: text
    }
    "SetGroupChannel" SetGroupChannel SetGroupChannelOwned { group_channel_id, channel_ids }
});

group!(JobDeclarationOwned {
    "AllocateMiningJobToken" AllocateMiningJobToken AllocateMiningJobTokenOwned { user_identifier: text, request_id }
    "AllocateMiningJobToken.Success" AllocateMiningJobTokenSuccess AllocateMiningJobTokenSuccessOwned {
        request_id, mining_job_token, coinbase_outputs
    }
    "ProvideMissingTransactions" ProvideMissingTransactions ProvideMissingTransactionsOwned {
        request_id, unknown_tx_position_list
    }
    "ProvideMissingTransactions.Success" ProvideMissingTransactionsSuccess ProvideMissingTransactionsSuccessOwned {
        request_id, transaction_list
    }
    "DeclareMiningJob" DeclareMiningJob DeclareMiningJobOwned {
        request_id, mining_job_token, version, coinbase_tx_prefix, coinbase_tx_suffix, wtxid_list, excess_data
    }
    "DeclareMiningJob.Success" DeclareMiningJobSuccess DeclareMiningJobSuccessOwned {
        request_id, new_mining_job_token
    }
    "DeclareMiningJob.Error" DeclareMiningJobError DeclareMiningJobErrorOwned {
        request_id, error_code: text, error_details
    }
    "PushSolution" PushSolution PushSolutionOwned { extranonce, prev_hash, nonce, ntime, nbits, version }
});

group!(TemplateDistributionOwned {
    "CoinbaseOutputConstraints" CoinbaseOutputConstraints CoinbaseOutputConstraintsOwned {
        coinbase_output_max_additional_size, coinbase_output_max_additional_sigops
    }
    "NewTemplate" NewTemplate NewTemplateOwned {
        template_id, future_template, version, coinbase_tx_version, coinbase_prefix, coinbase_tx_input_sequence,
        coinbase_tx_value_remaining, coinbase_tx_outputs_count, coinbase_tx_outputs, coinbase_tx_locktime, merkle_path
    }
    "SetNewPrevHash" SetNewPrevHash TemplateSetNewPrevHashOwned {
        template_id, prev_hash, header_timestamp, n_bits, target
    }
    "RequestTransactionData" RequestTransactionData RequestTransactionDataOwned { template_id }
    "RequestTransactionData.Success" RequestTransactionDataSuccess RequestTransactionDataSuccessOwned {
        template_id, excess_data, transaction_list
    }
    "RequestTransactionData.Error" RequestTransactionDataError RequestTransactionDataErrorOwned {
        template_id, error_code: text
    }
    "SubmitSolution" SubmitSolution SubmitSolutionOwned {
        template_id, version, header_timestamp, header_nonce, coinbase_tx
    }
});

group!(ExtensionsNegotiationOwned {
    "RequestExtensions" RequestExtensions RequestExtensionsOwned { request_id, requested_extensions }
    "RequestExtensions.Success" RequestExtensionsSuccess RequestExtensionsSuccessOwned {
        request_id, supported_extensions
    }
    "RequestExtensions.Error" RequestExtensionsError RequestExtensionsErrorOwned {
        request_id, unsupported_extensions, required_extensions
    }
});

/// The parts of the protocol and the names of their messages. Two parts have a SetNewPrevHash.
pub fn names() -> [(&'static str, &'static [&'static str]); 5] {
    [
        ("common", CommonMessagesOwned::NAMES),
        ("mining", MiningOwned::NAMES),
        ("jobDeclaration", JobDeclarationOwned::NAMES),
        ("templateDistribution", TemplateDistributionOwned::NAMES),
        ("extensions", ExtensionsNegotiationOwned::NAMES),
    ]
}

pub fn make(part: &str, name: &str, maker: &mut Maker) -> Option<AnyMessageOwned> {
    match part {
        "common" => Group::make(name, maker).map(AnyMessageOwned::Common),
        "mining" => Group::make(name, maker).map(AnyMessageOwned::Mining),
        "jobDeclaration" => Group::make(name, maker).map(AnyMessageOwned::JobDeclaration),
        "templateDistribution" => Group::make(name, maker).map(AnyMessageOwned::TemplateDistribution),
        "extensions" => Group::make(name, maker)
            .map(|message| AnyMessageOwned::Extensions(ExtensionsOwned::ExtensionsNegotiation(message))),
        _ => None,
    }
}

/// `"part":…,"name":…,"fields":{…}`
pub fn show(message: &AnyMessageOwned) -> String {
    let (part, (name, fields)) = match message {
        AnyMessageOwned::Common(message) => ("common", message.show()),
        AnyMessageOwned::Mining(message) => ("mining", message.show()),
        AnyMessageOwned::JobDeclaration(message) => ("jobDeclaration", message.show()),
        AnyMessageOwned::TemplateDistribution(message) => ("templateDistribution", message.show()),
        AnyMessageOwned::Extensions(ExtensionsOwned::ExtensionsNegotiation(message)) => {
            ("extensions", message.show())
        }
    };
    format!("\"part\":\"{part}\",\"name\":\"{name}\",\"fields\":{{{fields}}}")
}

/// The frame, header and payload, as the crates encode it.
pub fn encode(message: AnyMessageOwned) -> Result<Vec<u8>, String> {
    let (kind, extension, channel) =
        (message.message_type(), message.extension_type(), message.channel_bit());
    let frame =
        MessageFrame::from_message(message, kind, extension, channel).map_err(|e| format!("{e:?}"))?;
    Encoder::new().encode(frame).map_err(|e| format!("{e:?}"))
}

pub struct Decoded {
    pub message: AnyMessageOwned,
    pub tlvs: Vec<Tlv>,
}

/// Reads a whole frame. `extensions`: those whose TLV fields are looked for.
pub fn decode(frame: Vec<u8>, extensions: &[u16]) -> Result<Decoded, String> {
    let mut frame = SerializedFrame::from_bytes(frame).map_err(|hint| hint.to_string())?;
    let header = frame.header();
    let (message, tlvs) = parse_message_frame_with_tlvs(header, frame.payload(), extensions)
        .map_err(|error| format!("{error:?}"))?;
    Ok(Decoded { message: message.into_owned(), tlvs: tlvs.unwrap_or_default() })
}

pub fn tlvs_json(tlvs: &[Tlv]) -> String {
    let shown: Vec<String> = tlvs
        .iter()
        .map(|tlv| {
            format!("[{},{},{}]", tlv.r#type.extension_type, tlv.r#type.field_type, quote(&hex(&tlv.value)))
        })
        .collect();
    format!("[{}]", shown.join(","))
}
