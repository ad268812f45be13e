/**
 * Second-level labels below which many countries' registries give domains to everybody, as in `co.uk` and `com.au`. The
 * common ones of https://publicsuffix.org/list/ suffice for a warning; libraries with all of it take 0.7 MB or more.
 */
const registries = /^(ac|co|com|edu|go|gob|gouv|gov|gv|ltd|mil|ne|net|nom|or|org|plc|sch)\.[a-z]{2}$/;

/** Domains below which anybody can have a site: those of other registrars, and those of hosting services. */
const services = new Set(
	`ad.jp art.br asso.fr biz.pl br.com cn.com co.com de.com ed.jp eu.com firm.in gb.net gen.tr gr.jp id.au in.th
	info.pl jpn.com lg.jp me.uk nhs.uk police.uk ru.com sa.com se.net uk.com uk.net us.com web.id web.tr web.za za.com
	altervista.org amplifyapp.com appspot.com awsapprunner.com azureedge.net azurefd.net azurestaticapps.net
	azurewebsites.net b-cdn.net bigcartel.com blogspot.com bubbleapps.io carrd.co cleverapps.io cloudfront.net
	cloudfunctions.net codesandbox.io csb.app deno.dev duckdns.org elasticbeanstalk.com firebaseapp.com fly.dev
	framer.app framer.website github.dev github.io githubpreview.dev githubusercontent.com gitlab.io gitpod.io
	glitch.me googleusercontent.com herokuapp.com hf.space kinsta.app loca.lt lovable.app myshopify.com neocities.org
	netlify.app ngrok-free.app ngrok-free.dev ngrok.app ngrok.dev ngrok.io nip.io notion.site ondigitalocean.app
	onrender.com pages.dev pantheonsite.io railway.app repl.co replit.app replit.dev run.app shopifypreview.com
	squarespace.com sslip.io stackblitz.io streamlit.app surge.sh trycloudflare.com tumblr.com up.railway.app
	vercel.app vercel.dev web.app webcontainer.io webflow.io weebly.com wixsite.com wordpress.com workers.dev
	wpengine.com xip.io`.split(/\s+/),
);

/** Domains of clouds, which give each customer a name below a region's or a service's domain. */
const clouds =
	/(^|\.)(amazonaws\.com(\.cn)?|cloudapp\.(azure\.com|net)|core\.windows\.net|a\.run\.app|r\.appspot\.com)$/;

/** Recognises a domain below which strangers can have a site, so that not every subdomain is one's own. */
export const isSharedDomain = (domain: string): boolean =>
	registries.test(domain) || services.has(domain) || clouds.test(domain);
