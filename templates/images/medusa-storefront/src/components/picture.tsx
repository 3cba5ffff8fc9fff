import type { ReactNode } from 'react';

interface Properties {
  readonly url: string | null;
  readonly title: string;
  /** Seen without scrolling: fetched at once. */
  readonly isFirst?: boolean;
}

/** A product's picture; its first letter when it has none. The title stands beside it everywhere. */
export function Picture({ url, title, isFirst = false }: Properties): ReactNode {
  if (url === null || url === '') {
    return (
      <span className="picture picture-none" aria-hidden="true">
        {title.slice(0, 1)}
      </span>
    );
  }
  return (
    <img
      className="picture"
      src={url}
      alt=""
      width={800}
      height={1000}
      loading={isFirst ? 'eager' : 'lazy'}
      decoding="async"
    />
  );
}
