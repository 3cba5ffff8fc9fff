import type { Metadata } from 'next';
import Link from 'next/link';
import type { ReactNode } from 'react';

export const metadata: Metadata = { title: 'Not found' };

export default function NotFound(): ReactNode {
  return (
    <div className="empty">
      <h1>There is nothing here</h1>
      <p className="lead">It may have been sold, or the address has a slip in it.</p>
      <Link className="button" href="/">
        To the shop
      </Link>
    </div>
  );
}
