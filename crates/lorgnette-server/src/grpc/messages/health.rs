//! `grpc.health.v1`.

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    pub(crate) service: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct HealthCheckResponse {
    /// 1: serving, 2: not serving, 3: unknown service.
    #[prost(int32, tag = "1")]
    pub(crate) status: i32,
}
