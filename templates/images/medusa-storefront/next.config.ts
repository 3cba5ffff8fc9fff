import type { NextConfig } from 'next';

/** One image for every store: nothing about a store is known when this is built. */
const config: NextConfig = {
  output: 'standalone',
  poweredByHeader: false,
  // Nothing is kept between requests, and the file system is read-only.
  cacheMaxMemorySize: 0,
  images: { unoptimized: true },
  headers: () =>
    Promise.resolve([
      {
        source: '/:path*',
        headers: [
          { key: 'X-Content-Type-Options', value: 'nosniff' },
          { key: 'Referrer-Policy', value: 'same-origin' },
          {
            key: 'Content-Security-Policy',
            value: "base-uri 'self'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
          },
        ],
      },
      {
        source: '/samples/:path*',
        headers: [{ key: 'Cache-Control', value: 'public, max-age=86400' }],
      },
    ]),
};

export default config;
