/** Methods of Crisp's Node client with their arguments, as Crisp's document lists them. */
export const documentedMethods = `
websiteConversations.getList(websiteId, page)
websiteConversations.getOne(websiteId, sessionId)
websiteConversations.getMeta(websiteId, sessionId)
websiteConversations.updateMeta(websiteId, sessionId, params)
websiteConversations.getMessages(websiteId, sessionId, query)
websiteConversations.create(websiteId)
websiteConversations.initiateOne(websiteId, sessionId)
websiteConversations.sendMessage(websiteId, sessionId, message)
websiteConversations.setState(websiteId, sessionId, state)
websiteConversations.getRouting(websiteId, sessionId)
websiteConversations.setRouting(websiteId, sessionId, assign)
websiteConversations.setBlock(websiteId, sessionId, blocked)
websiteConversations.deleteOne(websiteId, sessionId)
websiteConversations.acknowledgeMessages(websiteId, sessionId, from, origin, fingerprints)
websitePeople.findByEmail(websiteId, email)
websitePeople.findBySegments(websiteId, segments)
websitePeople.createNewPeopleProfile(websiteId, params)
websitePeople.checkPeopleProfileExists(websiteId, peopleId)
websitePeople.getPeopleProfile(websiteId, peopleId)
websitePeople.listPeopleProfiles(websiteId, peopleId, page)
websitePeople.removePeopleProfile(websiteId, peopleId)
websitePeople.savePeopleProfile(websiteId, peopleId, params)
websitePeople.updatePeopleProfile(websiteId, peopleId, params)
websitePeople.listPeopleSegments(websiteId, peopleId, page)
websitePeople.addPeopleEvent(websiteId, peopleId, params)
websitePeople.listPeopleEvent(websiteId, peopleId, page)
websitePeople.getPeopleData(websiteId, peopleId)
websitePeople.updatePeopleData(websiteId, peopleId, params)
website.create(params)
website.delete(websiteId)
websiteSettings.get(websiteId)
websiteSettings.update(params)
websiteOperators.getList(websiteId)
websiteOperators.getOne(websiteId, operatorId)
websiteOperators.deleteOne(websiteId, operatorId)
websiteOperators.createOne(websiteId, parameters)
websiteOperators.updateOne(websiteId, operatorId, parameters)
userSession.loginWithEmail(email, password)
userSession.recoverPassword(email)
userSession.logout()
userProfile.get()
`;

/** Events that the document lists. */
export const documentedEvents = `
session:update_availability session:update_verify session:request:initiated session:set_email session:set_phone
session:set_address session:set_avatar session:set_nickname session:set_data session:sync:pages session:sync:events
session:sync:capabilities session:sync:geolocation session:sync:system session:sync:network session:sync:timezone
session:sync:locales session:set_state session:set_block session:set_segments session:set_opened session:set_closed
session:set_mentions session:set_routing session:removed
message:updated message:send message:received message:compose:send message:compose:receive
message:acknowledge:read:send message:acknowledge:read:received message:acknowledge:delivered
message:notify:unread:send message:notify:unread:received
people:profile:created people:profile:removed people:bind:session people:sync:profile people:import:progress
people:import:done
campaign:progress campaign:dispatched campaign:running
browsing:request:initiated browsing:request:rejected
call:request:initiated call:request:rejected
status:health:changed
website:update_visitors_count website:update_operators_availability website:users:available
bucket:url:upload:generated bucket:url:avatar:generated bucket:url:website:generated bucket:url:campaign:generated
bucket:url:helpdesk:generated bucket:url:status:generated bucket:url:processing:generated
media:animation:listed
email:subscribe email:track:view
plugin:channel plugin:event plugin:settings:saved
`;

/** Events that Crisp has added since. */
export const laterEvents = `
session:set_subject session:set_origin session:sync:rating session:sync:topic session:set_participants
session:set_inbox session:error message:removed message:acknowledge:unread:send message:acknowledge:ignored
spam:message spam:decision people:profile:updated identity:verify:request plugin:subscription:updated
plan:subscription:updated
`;
