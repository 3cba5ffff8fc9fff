/**
 * Who places a test order: nobody, at an address that shops of that country accept. The e-mail
 * address and the telephone number belong to nobody by agreement (RFC 2606, fictitious numbers).
 */

export type Buyer = {
  readonly firstName: string;
  readonly lastName: string;
  readonly email: string;
  readonly phone: string;
  readonly street: string;
  readonly city: string;
  readonly postcode: string;
  /** The part of the country, by its usual code; empty where shops do not ask for it. */
  readonly state: string;
  /** ISO 3166-1, two capitals. */
  readonly country: string;
};

/** City, postcode and state. Shops check the form of a postcode by country. */
const PLACES: Readonly<Record<string, readonly [string, string, string?]>> = {
  AT: ['Wien', '1010'],
  AU: ['Sydney', '2000', 'NSW'],
  BE: ['Bruxelles', '1000'],
  BR: ['São Paulo', '01310-100', 'SP'],
  CA: ['Toronto', 'M5H 2N2', 'ON'],
  CH: ['Zürich', '8001'],
  CZ: ['Praha', '110 00'],
  DE: ['Berlin', '10117'],
  DK: ['København', '1550'],
  ES: ['Madrid', '28013', 'M'],
  FI: ['Helsinki', '00100'],
  FR: ['Paris', '75001'],
  GB: ['London', 'SW1A 1AA'],
  GR: ['Athina', '10557'],
  HU: ['Budapest', '1051', 'BU'],
  IE: ['Dublin', 'D02 X285', 'D'],
  IN: ['Mumbai', '400001', 'MH'],
  IT: ['Roma', '00186', 'RM'],
  JP: ['Chiyoda', '100-0001', 'JP13'],
  LU: ['Luxembourg', '1648'],
  MX: ['Ciudad de México', '06000', 'DF'],
  NL: ['Amsterdam', '1012 JS'],
  NO: ['Oslo', '0150'],
  NZ: ['Auckland', '1010'],
  PL: ['Warszawa', '00-001'],
  PT: ['Lisboa', '1100-148'],
  SE: ['Stockholm', '111 21'],
  SG: ['Singapore', '018956'],
  SI: ['Ljubljana', '1000'],
  SK: ['Bratislava', '811 01'],
  TR: ['İstanbul', '34110', 'TR34'],
  US: ['Beverly Hills', '90210', 'CA'],
  ZA: ['Johannesburg', '2001', 'GP'],
};

/** The countries that a buyer can live in. */
export const BUYER_COUNTRIES: readonly string[] = Object.keys(PLACES);

/** Somebody in that country; for one that is not known here, in Germany. */
export function describeBuyer(country: unknown): Buyer {
  const known = typeof country === 'string' && Object.hasOwn(PLACES, country) ? country : 'DE';
  const [city = '', postcode = '', state = ''] = PLACES[known] ?? [];
  return {
    firstName: 'Test',
    lastName: 'Order',
    email: 'test-order@example.com',
    phone: '+49 30 23125000',
    street: '1 Example Street',
    city,
    postcode,
    state,
    country: known,
  };
}
