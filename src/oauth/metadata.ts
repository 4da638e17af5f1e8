/** The same at every endpoint; where nothing is said, RFC 8414 2 takes it for client_secret_basic alone. */
const CLIENT_AUTHENTICATION = ['client_secret_basic', 'client_secret_post']

/** Authorization server metadata (RFC 8414 2). `issuer` has no slash at its end. */
export function authorizationServerMetadata(issuer: string): Readonly<Record<string, unknown>> {
  return {
    issuer,
    token_endpoint: `${issuer}/oauth2/token`,
    jwks_uri: `${issuer}/.well-known/jwks.json`,
    introspection_endpoint: `${issuer}/oauth2/introspect`,
    revocation_endpoint: `${issuer}/oauth2/revoke`,
    grant_types_supported: ['client_credentials'],
    // Required by RFC 8414 2; without an authorization endpoint there are none.
    response_types_supported: [],
    token_endpoint_auth_methods_supported: CLIENT_AUTHENTICATION,
    introspection_endpoint_auth_methods_supported: CLIENT_AUTHENTICATION,
    revocation_endpoint_auth_methods_supported: CLIENT_AUTHENTICATION,
    access_token_signing_alg_values_supported: ['ES256'],
  }
}
