import '@fontsource-variable/figtree/index.css';
import '@fontsource-variable/newsreader/index.css';
import './style.css';
import type { Metadata, Viewport } from 'next';
import Link from 'next/link';
import type { ReactNode } from 'react';
import { countPieces, findCart } from '../lib/cart.ts';
import { readStoreName } from '../lib/settings.ts';

/** Every page is made for its visitor: nothing about a store is known when the image is built. */
export const dynamic = 'force-dynamic';

export function generateMetadata(): Metadata {
  const name = readStoreName();
  return { title: { default: name, template: `%s · ${name}` }, description: `${name}: the shop.` };
}

export const viewport: Viewport = {
  colorScheme: 'light dark',
  themeColor: [
    { media: '(prefers-color-scheme: light)', color: '#faf7f1' },
    { media: '(prefers-color-scheme: dark)', color: '#181714' },
  ],
};

export default function Layout({ children }: { readonly children: ReactNode }): ReactNode {
  const name = readStoreName();
  return (
    <html lang="en">
      <body>
        <a className="skip" href="#content">
          Skip to content
        </a>
        <header className="masthead">
          <div className="wide masthead-row">
            <Link className="brand" href="/">
              {name}
            </Link>
            <nav aria-label="Shop">
              <Link href="/">Everything</Link>
              <CartLink />
            </nav>
          </div>
        </header>
        <main id="content" className="wide">
          {children}
        </main>
        <footer className="colophon">
          <div className="wide colophon-row">
            <p>{name}</p>
            <p>You pay after the order is confirmed.</p>
          </div>
        </footer>
      </body>
    </html>
  );
}

async function CartLink(): Promise<ReactNode> {
  // The page itself says when the backend is away.
  const pieces = countPieces(await findCart().catch(() => null));
  return (
    <Link className="cart-link" href="/cart">
      Cart
      {pieces > 0 && (
        <span className="count">
          {pieces} <span className="unseen">{pieces === 1 ? 'piece' : 'pieces'}</span>
        </span>
      )}
    </Link>
  );
}
