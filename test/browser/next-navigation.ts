/** Stands in for `next/navigation`, as Next is not installed here. */
export const usePathname = (): string => (typeof location === "object" ? location.pathname : "/");
