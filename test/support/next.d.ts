/** Types of Next that the Next example uses, as Next is not installed here. */
declare module "next/navigation" {
	export function usePathname(): string;
}
