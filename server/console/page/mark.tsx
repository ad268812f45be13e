/** The logo, a ferry. */
export const Mark = () => (
	<svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
		<rect width="32" height="32" rx="7" />
		<path d="M5 18h22l-4 7H9zM11 16V9h10v7" />
	</svg>
);
