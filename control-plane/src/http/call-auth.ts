/** Calls to better-auth: what it refuses becomes a problem of ours, what breaks stays what it was. */
import { isAPIError } from 'better-auth/api';
import { invalidRequest, RequestProblem } from './problem.ts';

/**
 * @param options.passwordField the field that a wrong password was sent in
 */
export async function callAuth<T>(
  call: () => Promise<T>,
  options: { readonly passwordField?: string } = {},
): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (!isAPIError(error)) throw error;
    // What broke tells more than that it broke.
    if (error.statusCode >= 500) throw error.cause instanceof Error ? error.cause : error;
    throw translate(String(error.body?.code), options.passwordField ?? 'password');
  }
}

function translate(code: string, passwordField: string): RequestProblem {
  switch (code) {
    case 'INVALID_EMAIL_OR_PASSWORD':
      return new RequestProblem('sign_in_failed', 'The e-mail address or the password is wrong.');
    case 'INVALID_PASSWORD':
      return invalidRequest([{ field: passwordField, message: 'This is not the password.' }]);
    case 'CREDENTIAL_ACCOUNT_NOT_FOUND':
      return new RequestProblem('no_password', 'You sign in elsewhere: there is no password here.');
    case 'INVALID_TOKEN':
    case 'TOKEN_EXPIRED':
      return new RequestProblem('link_invalid', 'The link was used before or is too old.', {
        hint: 'Ask for a new one.',
      });
    case 'USER_ALREADY_EXISTS':
    case 'USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL':
      return new RequestProblem('email_taken', 'There is an account with this e-mail address.');
    case 'UNAUTHORIZED':
    case 'SESSION_EXPIRED':
    case 'SESSION_NOT_FRESH':
      return new RequestProblem('unauthorized', 'Sign in again.');
    default:
      return new RequestProblem('forbidden', 'This was refused.');
  }
}
