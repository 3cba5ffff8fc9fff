'use client';

import type { ReactNode } from 'react';

/** Shown when a page could not be made, nearly always because the backend is away. */
export default function ErrorPage(): ReactNode {
  return (
    <div className="empty">
      <h1>The shop is out for a moment</h1>
      <p className="lead">Please try again shortly. Nothing in your cart is lost.</p>
      <a className="button" href="">
        Try again
      </a>
    </div>
  );
}
