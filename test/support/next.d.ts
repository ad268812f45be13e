/** What the Next example uses of Next, which is not installed here. */
declare module "next/navigation" {
	export function usePathname(): string;
}
